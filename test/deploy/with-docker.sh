#!/usr/bin/env bash
# Runs a command with a Docker Engine of its own that can reach nothing: for machines without an engine, and to show that images build offline.
#   test/deploy/with-docker.sh FOLDER COMMAND...      as root; FOLDER: where the engine keeps its data, outside the repository
# Needs on Debian 12: apt-get install docker.io docker-compose mmdebstrap. The base images are made the first time, from Debian's mirror, this machine's
# node, and this repository's packages in npm's cache; NOISEFOLD_BASE_IMAGE and NOISEFOLD_BUILD_IMAGE name them to COMMAND.
set -euo pipefail
if [ "${NOISEFOLD_UNSHARED:-}" != yes ]; then
  folder=$(realpath -m "$1")
  root=$(realpath "$(dirname "$0")/../..")
  mkdir -p "$folder"
  if [ ! -e "$folder/base.tar" ]; then
    mmdebstrap --quiet --format=tar --variant=minbase --include=libstdc++6,libatomic1 bookworm "$folder/base.tar.part"
    mv "$folder/base.tar.part" "$folder/base.tar"
  fi
  if ! cmp -s "$root/package-lock.json" "$folder/build/filled-for"; then
    rm -rf "$folder/build"
    mkdir -p "$folder/build"
    cp "$(readlink -f "$(command -v node)")" "$folder/build/node"
    cp -rL "$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")" "$folder/build/npm"
    cp "$root/package.json" "$root/package-lock.json" "$root/.npmrc" "$folder/build/"
    (cd "$folder/build" && npm ci --ignore-scripts --cache "$folder/build/npm-cache" && rm -r node_modules)
    cp "$root/package-lock.json" "$folder/build/filled-for"
  fi
  NOISEFOLD_UNSHARED=yes exec unshare --mount --pid --net --fork --kill-child --mount-proc "$0" "$@"
fi

folder=$(realpath "$1")
shift
ip link set lo up
mount -t tmpfs tmpfs /run
mkdir /run/lock
mount -t tmpfs tmpfs /sys/fs/cgroup
for controller in cpu cpuacct cpuset memory devices freezer blkio pids; do
  mkdir "/sys/fs/cgroup/$controller"
  mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller" 2>/dev/null || rmdir "/sys/fs/cgroup/$controller"
done
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
export DOCKER_HOST="unix://$folder/docker.sock" DOCKER_CONFIG="$folder/config" DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1
# An engine that was killed leaves this behind, and the next one believes it.
rm -f "$folder/docker.pid"
dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/docker.pid" --host "$DOCKER_HOST" \
  --iptables=false --ip6tables=false --storage-driver overlay2 >"$folder/dockerd.log" 2>&1 &
engine=$!
for _ in $(seq 60); do
  /usr/bin/docker version >/dev/null 2>&1 && break
  sleep 0.5
done
export PATH="/usr/bin:$PATH" NOISEFOLD_BASE_IMAGE=noisefold-base:test NOISEFOLD_BUILD_IMAGE=noisefold-build:test
docker image inspect noisefold-debian:test >/dev/null 2>&1 || docker import "$folder/base.tar" noisefold-debian:test >/dev/null
docker build -q -t "$NOISEFOLD_BASE_IMAGE" -f - "$folder/build" >/dev/null <<'END'
FROM noisefold-debian:test
COPY node /usr/local/bin/node
END
docker build -q -t "$NOISEFOLD_BUILD_IMAGE" -f - "$folder/build" >/dev/null <<'END'
FROM noisefold-base:test
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
COPY npm-cache /npm-cache
ENV NPM_CONFIG_CACHE=/npm-cache NPM_CONFIG_OFFLINE=true
END
code=0
"$@" || code=$?
kill "$engine"
wait "$engine" 2>/dev/null || true
exit "$code"
