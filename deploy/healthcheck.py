"""Whether the process of this container is ready: asks /readyz on the port that is given, and fails when it is not."""

import sys
import urllib.error
import urllib.request

try:
    urllib.request.urlopen(f"http://127.0.0.1:{int(sys.argv[1])}/readyz", timeout=4).close()
except urllib.error.HTTPError as error:
    sys.exit(error.read(1_000).decode(errors="replace"))
except OSError as error:
    sys.exit(str(error))
