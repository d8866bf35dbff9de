namespace WgMesh.Kubernetes;

/// <summary>So many actions per second, and after a time of rest a burst of so many at once. For one caller at a time.</summary>
internal sealed class TokenBucket(double perSecond, int burst, TimeProvider time)
{
    private double _tokens = burst;
    private long _filledAt = time.GetTimestamp();

    /// <summary>Waits for the next action's turn.</summary>
    public async Task TakeAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var now = time.GetTimestamp();
            _tokens = Math.Min(burst, _tokens + (time.GetElapsedTime(_filledAt, now).TotalSeconds * perSecond));
            _filledAt = now;
            if (_tokens >= 1)
            {
                _tokens--;
                return;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(Math.Ceiling((1 - _tokens) / perSecond * 1000)), time, cancellationToken);
        }
    }
}
