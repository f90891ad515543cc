# Sourced by the entry points: builds one of the runner's own small programs into .bin/ if a source is newer than it.
# Usage: tool NAME   (its sources: runtime/cmd/NAME, runtime/run and runtime/servers)
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)

tool() {
  local bin=$root/.bin/$1 sources=("$root/runtime/cmd/$1" "$root/runtime/run" "$root/runtime/servers" "$root/runtime/go.mod" "$root/runtime/go.sum")
  [[ -x $bin && -z $(find "${sources[@]}" -type f -newer "$bin" -print -quit) ]] && return
  command -v go >/dev/null || { echo "$1: no \`go\` on the PATH: install Go from https://go.dev/dl" >&2; exit 1; }
  echo "building $1" >&2
  (cd "$root/runtime" && GOWORK=off go build -ldflags "-s -w" -o "$bin" "./cmd/$1") || exit 1
  touch "$bin" # go build leaves an unchanged program's time as it was
}
