# Sourced: how the scripts talk, wait and fail.
bold=''; dim=''; green=''; red=''; plain=''
if [[ -t 1 ]]; then bold=$'\e[1m'; dim=$'\e[2m'; green=$'\e[32m'; red=$'\e[31m'; plain=$'\e[0m'; fi

step() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
ok() { printf '   %sok%s %s\n' "$green" "$plain" "$*"; }
note() { printf '   %s%s%s\n' "$dim" "$*" "$plain"; }
fail() { printf '   %sFAILED%s %s\n' "$red" "$plain" "$*" >&2; exit 1; }

# wait_for SECONDS WHAT COMMAND...: until the command succeeds; says how long it took.
wait_for() {
  local limit=$1 what=$2 start=${EPOCHREALTIME/./} now; shift 2
  until "$@" >/dev/null 2>&1; do
    now=${EPOCHREALTIME/./}
    ((now - start > limit * 1000000)) && fail "$what: not within $limit s ($*)"
    sleep 0.1
  done
  now=${EPOCHREALTIME/./}
  ok "$what ($(((now - start) / 1000)) ms)"
}
