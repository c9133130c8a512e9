#!/bin/sh
# Entry point of the image: any command of `capsule`; without one, or with flags alone, a node.
set -eu

case "${1-}" in
  -h | --help | -V | --version) ;;
  '' | -*) set -- start "$@" ;;
esac

# A volume keeps the owner that it was made with, which is often root.
if [ "$1" = start ]; then
  data=${CAPSULE_DATA:-/data}
  mkdir -p "$data" 2>/dev/null || true
  if ! [ -w "$data" ] || ! [ -x "$data" ]; then
    me="$(id -u):$(id -g)"
    owner=$(stat -c 'belongs to uid %u' "$data" 2>/dev/null || echo 'does not exist')
    {
      echo "capsule: $data $owner and cannot be written by uid $(id -u), as which the node runs. (data_dir_unwritable)"
      echo "A named volume: docker run --rm --user 0 --entrypoint chown -v VOLUME:$data capsule-mesh -R $me $data"
      echo "A folder of the host: sudo chown -R $me FOLDER"
    } >&2
    exit 2
  fi
fi

exec capsule "$@"
