# Three images from one file; choose one with --target operator, agent or cli.
#
# The base images are arguments, so that a mirror, a digest or another distribution can stand in for them. The runtime image needs
# ASP.NET Core 10 and OpenSSL's libcrypto (version 3), nothing else: the agent speaks netlink, not `ip` or `iptables`.
ARG SDK_IMAGE=mcr.microsoft.com/dotnet/sdk:10.0-noble
ARG RUNTIME_IMAGE=mcr.microsoft.com/dotnet/aspnet:10.0-noble-chiseled
# The same as <Version> in Directory.Build.props.
ARG VERSION=0.1.0

# Packages first: this layer stays until a project file or a lock file changes.
FROM ${SDK_IMAGE} AS restore
WORKDIR /source
COPY global.json Directory.Build.props Directory.Packages.props ./
COPY src/Cli/Cli.csproj src/Cli/packages.lock.json src/Cli/
COPY src/Crds/Crds.csproj src/Crds/packages.lock.json src/Crds/
COPY src/Engine/Engine.csproj src/Engine/packages.lock.json src/Engine/
COPY src/Kubernetes/Kubernetes.csproj src/Kubernetes/packages.lock.json src/Kubernetes/
COPY src/NodeAgent/NodeAgent.csproj src/NodeAgent/packages.lock.json src/NodeAgent/
COPY src/Operator/Operator.csproj src/Operator/packages.lock.json src/Operator/
COPY src/Rpc/Rpc.csproj src/Rpc/packages.lock.json src/Rpc/
COPY src/Telemetry/Telemetry.csproj src/Telemetry/packages.lock.json src/Telemetry/
RUN dotnet restore src/Operator --locked-mode \
    && dotnet restore src/NodeAgent --locked-mode \
    && dotnet restore src/Cli --locked-mode

FROM restore AS sources
COPY .editorconfig ./
COPY src/ src/

FROM sources AS publish-operator
ARG VERSION
RUN dotnet publish src/Operator -c Release --no-restore -p:Version=${VERSION} -o /publish

FROM sources AS publish-agent
ARG VERSION
RUN dotnet publish src/NodeAgent -c Release --no-restore -p:Version=${VERSION} -o /publish

FROM sources AS publish-cli
ARG VERSION
RUN dotnet publish src/Cli -c Release --no-restore -p:Version=${VERSION} -o /publish

# What the three images share. Ports are the programs' own choice: on the host network the base image's default of 8080 would be
# somebody else's.
FROM ${RUNTIME_IMAGE} AS runtime
ENV ASPNETCORE_HTTP_PORTS=
WORKDIR /app

FROM runtime AS operator
ARG VERSION
LABEL org.opencontainers.image.title="wgmesh-operator" \
      org.opencontainers.image.description="Plans a WireGuard mesh from WireGuardPeer resources and serves it to its nodes" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=publish-operator /publish ./
USER 1654:1654
ENTRYPOINT ["/app/wgmesh-operator"]

# Root, because it opens /dev/net/tun and sets addresses and routes of the host; which capabilities it gets is the chart's to say.
FROM runtime AS agent
ARG VERSION
LABEL org.opencontainers.image.title="wgmesh-agent" \
      org.opencontainers.image.description="Userspace WireGuard engine and network set-up of one node" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=publish-agent /publish ./
USER 0:0
ENTRYPOINT ["/app/wgmesh-agent"]

FROM runtime AS cli
ARG VERSION
LABEL org.opencontainers.image.title="kubectl-wgmesh" \
      org.opencontainers.image.description="Inspects a WgMesh cluster and hands out peer configurations" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=publish-cli /publish ./
USER 1654:1654
ENTRYPOINT ["/app/kubectl-wgmesh"]
