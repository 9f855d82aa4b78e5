#!/usr/bin/env bash
# Checks the models beside this file with spin and a C compiler. The head of each model says which runs there are:
#   run: holds|fails safety|ltl DEFINITIONS
# `safety` looks for assertions that fail, deadlocks and receives that nobody makes; `ltl` for an execution in which
# what `ltl completes` promises never comes. A run that `fails` has a bug built in, which must be found.
# Statements that no run of a model that `holds` reaches are an error too: what is not reached is not checked.
# Prints a line a run, with what was found in those that fail; the exit status is 1 if any is not as it should be.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
models=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0

# $1 model, $2 holds|fails, $3 safety|ltl, then definitions
check() {
  local model=$1 expected=$2 kind=$3 flags=() options=(-m100000)
  states='' found=''
  rm -f pan pan.c
  shift 3
  # What ends in a deadlock by design, the stalled side, is looked at by ltl alone.
  if [ "$kind" = safety ]; then flags=(-DSAFETY -DNOCLAIM); else options+=(-a -E); fi
  spin "$@" -a "$models/$model" >spin.log 2>&1 || { cat spin.log; return 1; }
  ! grep -E 'rror' spin.log || return 1
  gcc -O1 -w -DMEMLIM=3000 ${flags[@]+"${flags[@]}"} -o pan pan.c || return 1
  ./pan "${options[@]}" >pan.log 2>&1 || true
  errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log)
  states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log)
  found=$(sed -n 's/^pan:1: \(.*\) (at depth.*/; found: \1/p' pan.log)
  if [ "$expected" = fails ]; then [ "${errors:-0}" -gt 0 ]; return; fi
  if [ "${errors:-1}" -ne 0 ] || grep -qE 'not completed|too small|memory bound' pan.log; then cat pan.log; return 1; fi
  unreached | sort -u >reached.not
  if [ -e "$model.not" ]; then comm -12 reached.not "$model.not" >both && mv both "$model.not"; else mv reached.not "$model.not"; fi
}

# Statements that the last run did not reach, as `line: text`; not the ends of processes that never end, the claim,
# nor the guard of an `unless`, which is counted once for every statement that it guards.
unreached() {
  sed -n '/^unreached in claim/q; s/^\t.*:\([0-9]*\), state [0-9]*, "\(.*\)"$/\1: \2/p' pan.log | grep -vE -- '-end-|^[0-9]+: \(is(Sender|Receiver)Killed' || true
}

for model in "$models"/*.pml; do
  model=$(basename "$model")
  count=0
  while read -r _ _ expected kind definitions; do
    count=$((count + 1))
    began=$(date +%s%N)
    # shellcheck disable=SC2086
    if check "$model" "$expected" "$kind" $definitions; then result=ok; else result='NOT OK'; failed=1; fi
    printf '%-6s %-10s %s %s %s: %s states, %d ms%s\n' "$result" "$model" "$expected" "$kind" "$definitions" \
      "${states:-no}" $((($(date +%s%N) - began) / 1000000)) "$found"
  done < <(grep -E '^ \* run: (holds|fails) (safety|ltl)' "$models/$model")
  if [ "$count" -eq 0 ]; then echo "NOT OK $model: says no runs"; failed=1; fi
  if [ -s "$model.not" ]; then
    echo "NOT OK $model: reached by no run that holds:"
    cat "$model.not"
    failed=1
  fi
done
exit "$failed"
