using WgMesh.Cli;

return await CommandLine.Create().Parse(args).InvokeAsync();
