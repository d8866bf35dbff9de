namespace WgMesh.NodeAgent;

/// <summary>Something a person has to put right; the message says what, and is all that is printed.</summary>
internal sealed class AgentException(string message, Exception? inner = null) : Exception(message, inner);
