"""Keep a copy of all profiles in a SQLite file, in step with the platform, whatever is killed meanwhile.

python examples/keep_profiles.py http://127.0.0.1:8080 profiles.db
"""

import json
import os
import sqlite3
import sys
import time
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

url, path = sys.argv[1:]
headers = {"Authorization": f"Bearer {os.environ.get('RAPPORT_READ_KEY', '')}"}
copy = sqlite3.connect(path)
copy.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
copy.execute("CREATE TABLE IF NOT EXISTS profiles (id TEXT PRIMARY KEY, document TEXT)")
copy.execute("CREATE TABLE IF NOT EXISTS place (position TEXT)")


def follow() -> None:
    (position,) = copy.execute("SELECT position FROM place").fetchone() or ("beginning",)
    with urlopen(Request(f"{url}/v1/streams/profiles?from={position}", headers=headers), timeout=60) as lines:
        for line in lines:
            if line.strip():  # an empty one says that the stream lives
                keep(**json.loads(line))


def keep(position: str, key: str, value: dict | None) -> None:
    with copy:  # in one transaction: the profile, and the position after it
        if value is None or value["deleted"]:  # nobody any more; after a merge value["redirect"] says who it is now
            copy.execute("DELETE FROM profiles WHERE id = ?", (key,))
        else:
            copy.execute("INSERT OR REPLACE INTO profiles VALUES (?, ?)", (key, json.dumps(value)))
        copy.execute("INSERT OR REPLACE INTO place (rowid, position) VALUES (1, ?)", (position,))


while True:
    try:
        follow()
    except HTTPError as error:
        print(error.read().decode(), file=sys.stderr)
        if error.code == 410:  # nobody knows what was missed: make the copy anew
            copy.executescript("DELETE FROM profiles; DELETE FROM place;")
    except (OSError, HTTPException) as error:
        print("the platform is not there:", error, file=sys.stderr)
    time.sleep(1)
