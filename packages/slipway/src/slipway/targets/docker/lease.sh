# Runs in the proxy's container during a deployment: holds the lock, executes the deployer's requests
# and restores the traffic when the deployer sends nothing any more.
# Argument: the holder, as JSON. Requests and answers are one line each; an answer is "ok" or "no" and
# base64.
cd /state || exit 1
exec 9>lock
if ! flock -n 9; then
  echo "held $(head -c 4000 holder | base64 -w0)"
  exit
fi
echo "$1" >holder
undo=

talk() { # host, port; sends its input and prints the answer
  timeout 2 bash -c 'exec 3<>"/dev/tcp/$1/$2" && cat >&3 && cat <&3' talk "$1" "$2" 9>&-
}

api() { talk 127.0.0.1 9999; }

write() { # file; its input becomes the content, in one move
  cat >"$1.new" && sync "$1.new" && mv "$1.new" "$1" || { rm -f "$1.new"; return 1; }
}

append() { # file; all of the input or nothing
  local size
  size=$(stat -c %s "$1" 2>/dev/null || echo 0)
  cat >>"$1" && sync "$1" || { truncate -s "$size" "$1"; return 1; }
}

answer() { # runs a command with the request's data as its input
  local output
  if output=$(printf %s "$data" | base64 -d | "$@" 2>&1 9>&- | base64 -w0; exit "${PIPESTATUS[2]}"); then
    echo "ok $output"
  else
    echo "no $output"
  fi
}

echo ready
# The deployer sends a request every few seconds; silence means that it died or lost the connection.
while read -r -t 15 verb first second data; do
  case $verb in
    beat) echo ok ;;
    undo) undo=$data; echo ok ;;
    api) answer api ;;
    ask) answer talk "$first" "$second" ;;
    read) answer cat "$first" ;;
    write) answer write "$first" ;;
    append) answer append "$first" ;;
    remove) answer rm -f "$first" ;;
    room) answer df -Pk . ;;
    bye) undo=; echo ok; break ;;
    *) echo no ;;
  esac
done
[ -z "$undo" ] || printf %s "$undo" | base64 -d | api >/dev/null
rm -f holder
