"""A typical pipeline with dlt: its REST source copies playlists to tables of an SQLite database.

export.py SERVER FOLDER PLAYLIST..., with SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET. Without playlists it copies the saved
tracks of the user of SPOTIFY_REFRESH_TOKEN. It writes no CSV file.
"""

import os
import sys
from pathlib import Path

import dlt
from dlt.sources.helpers.requests import Request, Session
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.rest_api import rest_api_source


def token(server):
    """An access token of the app, or of the user if there is one."""
    refresh = os.environ.get("SPOTIFY_REFRESH_TOKEN")
    grant = {"grant_type": "refresh_token", "refresh_token": refresh} if refresh else {"grant_type": "client_credentials"}
    app = (os.environ["SPOTIFY_CLIENT_ID"], os.environ["SPOTIFY_CLIENT_SECRET"])
    answer = Session().send(Request("POST", f"{server}/api/token", data=grant, auth=app).prepare())
    return answer.json()["access_token"]


def main(server, folder, playlists):
    folder.mkdir(parents=True, exist_ok=True)
    paths = {f"playlist_{n}": f"playlists/{playlist}/tracks" for n, playlist in enumerate(playlists)}
    source = rest_api_source(
        {
            "client": {
                "base_url": f"{server}/v1/",
                "auth": BearerTokenAuth(token(server)),
                "paginator": {"type": "json_link", "next_url_path": "next"},
            },
            "resources": [
                {
                    "name": name,
                    "table_name": "items",
                    "endpoint": {"path": path, "params": {"limit": 50}, "data_selector": "items"},
                }
                for name, path in (paths or {"saved": "me/tracks"}).items()
            ],
        }
    )
    destination = dlt.destinations.sqlalchemy(f"sqlite:///{folder}/peer.db")
    pipeline = dlt.pipeline("peer", destination=destination, dataset_name="main", pipelines_dir=str(folder))
    pipeline.run(source).raise_on_failed_jobs()


if __name__ == "__main__":
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["DLT_DATA_DIR"] = sys.argv[2]
    # SQLite has one writer.
    os.environ["LOAD__WORKERS"] = "1"
    main(sys.argv[1], Path(sys.argv[2]).absolute(), sys.argv[3:])
