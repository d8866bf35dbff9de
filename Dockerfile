# One image with the three programs in /app: who runs it says which one (command: [/app/wgmesh-agent, run, ...]).
#
# The base images are arguments, so that a mirror, a digest or another distribution can stand in for them. The runtime image needs
# ASP.NET Core 10 and OpenSSL's libcrypto (version 3), nothing else, not even a shell. The SDK image is of the same distribution: the
# agent's nft comes from there, with the libraries that it needs.
ARG SDK_IMAGE=mcr.microsoft.com/dotnet/sdk:10.0-noble
ARG RUNTIME_IMAGE=mcr.microsoft.com/dotnet/aspnet:10.0-noble-chiseled
# The same as <Version> in Directory.Build.props.
ARG VERSION=0.1.0
# What it is built from, such as a commit.
ARG REVISION=

# Packages first: this layer stays until a project file or a lock file changes. They are what the lock files say; the second restore adds what the
# SDK takes to compile ahead for the image's own architecture.
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
RUN dotnet msbuild src/Cli -getProperty:NETCoreSdkPortableRuntimeIdentifier >/architecture \
    && for project in Operator NodeAgent Cli; do \
      dotnet restore "src/$project" --locked-mode && dotnet restore "src/$project" -p:RuntimeIdentifier="$(cat /architecture)" || exit 1; \
    done

FROM restore AS publish
ARG VERSION
COPY .editorconfig ./
COPY src/ src/
RUN for project in Operator NodeAgent Cli; do \
      dotnet publish "src/$project" -c Release --no-restore -r "$(cat /architecture)" -p:Version="${VERSION}" -o /publish || exit 1; \
    done

# What the agent runs on a node, and puts there: nft with its libraries (but for those of libc, which every runtime image has), and the
# reference plugins of CNI. Both from packages, unless the image has them.
FROM ${SDK_IMAGE} AS tools
RUN { command -v nft && [ -x /usr/lib/cni/ptp ]; } >/dev/null || { \
      apt-get update && apt-get install -y --no-install-recommends nftables containernetworking-plugins; }
RUN mkdir -p /tools/usr/sbin /tools/opt/wgmesh/cni-bin \
    && nft=$(command -v nft) && cp -L "$nft" /tools/usr/sbin/nft \
    && ldd "$nft" | awk '$2 == "=>" && $1 !~ /^lib(c|m)[.]so/ {print $3}' >/tmp/libraries \
    && while read -r library; do \
         folder=/tools$(readlink -f "$(dirname "$library")") && mkdir -p "$folder" && cp -L "$library" "$folder/" || exit 1; \
       done </tmp/libraries \
    && cd /usr/lib/cni && cp -L bridge host-local loopback portmap ptp /tools/opt/wgmesh/cni-bin/

FROM ${RUNTIME_IMAGE}
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="wgmesh" \
      org.opencontainers.image.description="An encrypted mesh for Kubernetes nodes and external devices: operator, node agent with a userspace WireGuard engine, and kubectl-wgmesh" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Ports are the programs' own choice: on the host network the base image's default of 8080 would be somebody else's. Nobody debugs in
# here, and a read-only root file system has no place for the sockets that would take.
ENV ASPNETCORE_HTTP_PORTS= DOTNET_EnableDiagnostics=0
WORKDIR /app
COPY --from=tools /tools/ /
COPY --from=publish /publish ./
# Who needs more than that (the agent: root with NET_ADMIN, for /dev/net/tun, addresses, routes and nft) is given it where it is run.
USER 1654:1654
