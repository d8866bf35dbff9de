using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Protocol;

public class MessagesTests
{
    [Theory]
    [InlineData(1, 148, MessageType.Initiation)]
    [InlineData(1, 147, MessageType.None)]
    [InlineData(1, 149, MessageType.None)]
    [InlineData(2, 92, MessageType.Response)]
    [InlineData(2, 93, MessageType.None)]
    [InlineData(3, 64, MessageType.CookieReply)]
    [InlineData(3, 65, MessageType.None)]
    [InlineData(4, 32, MessageType.Transport)]
    [InlineData(4, 31, MessageType.None)]
    [InlineData(4, 65535, MessageType.Transport)]
    [InlineData(0, 148, MessageType.None)]
    [InlineData(5, 148, MessageType.None)]
    [InlineData(0x0101, 148, MessageType.None)]     // reserved bytes must be zero
    [InlineData(0x01000004, 148, MessageType.None)]
    public void A_message_is_known_by_its_type_and_exact_length(int type, int length, MessageType expected)
    {
        var datagram = new byte[length];
        BitConverter.TryWriteBytes(datagram, type);
        Assert.Equal(expected, Messages.Classify(datagram));
    }

    [Fact]
    public void No_datagram_is_too_short_to_be_asked()
    {
        for (var length = 0; length < 32; length++)
        {
            Assert.Equal(MessageType.None, Messages.Classify(new byte[length]));
        }
    }
}
