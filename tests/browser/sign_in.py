#!/usr/bin/env python3
"""Signs users in with a real Chromium against the sandbox: consent, denial, invalid answers and a pasted
address. Then it runs their jobs until after the end of the consent.

    sign_in.py BINARY FOLDER

BINARY is cratedigger. FOLDER is emptied and gets a project, a browser profile and a screenshot of each page.
The script controls Chromium through chromedriver with the WebDriver protocol and needs only the standard
library of Python. It exits with 69 if chromium or chromedriver is missing, and with 1 if a check fails.
"""

import base64
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=900,620",
]
STREAMS = [
    "me", "my_playlists", "my_playlist_items", "saved_tracks", "saved_albums", "saved_shows", "saved_episodes",
    "saved_audiobooks", "followed_artists", "top_artists", "top_tracks", "recently_played",
]
JOB = 'user = "{user}"\n[[fetch]]\nstream = "saved_tracks"\n[[fetch]]\nstream = "me"\n'
PATIENCE = 30


def find(*names):
    return next((path for path in map(shutil.which, names) if path), None)


def until(what, check):
    """Waits until a condition holds; fails with its name if it does not."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.05)
    sys.exit(f"waited {PATIENCE} s in vain: {what}")


def must(held, what, seen=""):
    if not held:
        sys.exit(f"not so: {what}\n{seen}")
    print(f"  {what}")


class Chromium:
    """A chromedriver session with its own profile."""

    def __init__(self, chromium, driver, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        log = open(folder / "chromedriver.log", "w")
        self.driver = subprocess.Popen([driver, f"--port={port}"], stdout=log, stderr=log)
        self.base = f"http://127.0.0.1:{port}"
        until("chromedriver is ready", lambda: self.quietly("GET", "/status"))
        arguments = FLAGS + [f"--user-data-dir={folder / 'profile'}"]
        wanted = {"browserName": "chrome", "goog:chromeOptions": {"binary": chromium, "args": arguments}}
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"/session/{session['sessionId']}"

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data, method=method)
        request.add_header("content-type", "application/json")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def quietly(self, method, path):
        try:
            return self.call(method, path)
        except OSError:
            return None

    def open(self, address):
        self.call("POST", f"{self.session}/url", {"url": address})

    def click(self, words):
        found = self.call("POST", f"{self.session}/element", {"using": "partial link text", "value": words})
        self.call("POST", f"{self.session}/element/{next(iter(found.values()))}/click", {})

    def run(self, script):
        return self.call("POST", f"{self.session}/execute/sync", {"script": script, "args": []})

    def text(self):
        return self.run("return document.title + '\\n' + document.body.innerText")

    def picture(self, file):
        file.write_bytes(base64.b64decode(self.call("GET", f"{self.session}/screenshot")))

    def close(self):
        try:
            self.call("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait()


class Project:
    """A project and its sandbox, in which the binary runs with an empty environment."""

    def __init__(self, binary, folder):
        self.binary, self.root = binary, folder / "project"
        (self.root / "jobs").mkdir(parents=True)
        (self.root / "config").mkdir()
        for user in ("home", "studio"):
            (self.root / "jobs" / f"{user}.toml").write_text(JOB.format(user=user))
        everything = 'users = ["home", "studio"]\n' + "".join(f'[[fetch]]\nstream = "{stream}"\n' for stream in STREAMS)
        (self.root / "jobs/all.toml").write_text(everything)
        self.sandbox = subprocess.Popen([binary, "sandbox", "--json"], stdout=subprocess.PIPE, text=True)
        where = json.loads(self.sandbox.stdout.readline())
        self.accounts = where["accounts_url"]
        (self.root / "config/cratedigger.toml").write_text(
            f'[spotify]\napi_url = "{where["api_url"]}"\naccounts_url = "{where["accounts_url"]}"\n'
            '[limits]\nrequests_per_second = 50\n')
        (self.root / ".env").write_text(
            f"SPOTIFY_CLIENT_ID={where['client_id']}\nSPOTIFY_CLIENT_SECRET={where['client_secret']}\n")
        # `auth login` opens this instead of a browser. It writes the address to a file for the driver.
        self.asked = folder / "asked-to-open"
        self.opener = folder / "opener"
        self.opener.write_text(f'#!/bin/sh\nprintf %s "$1" > "{self.asked}.new" && mv "{self.asked}.new" "{self.asked}"\n')
        self.opener.chmod(0o755)
        self.env = {"HOME": str(self.root), "PATH": "/usr/bin:/bin"}

    def command(self, *args):
        return [self.binary, "--project", str(self.root), *args]

    def run(self, *args):
        return subprocess.run(self.command(*args), env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def login(self, user):
        """Starts a sign-in; returns the process and the address for the browser."""
        self.asked.unlink(missing_ok=True)
        env = self.env | {"BROWSER": str(self.opener)}
        process = subprocess.Popen(self.command("auth", "login", user), env=env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until("the browser is asked to open an address", self.asked.exists)
        return process, self.asked.read_text()


def redirect_of(address):
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)
    return query["redirect_uri"][0], query["state"][0]


def sign_in(browser, project, folder):
    print("a browser signs a user in")
    process, address = project.login("home")
    browser.open(address)
    must("Sandbox sign-in" in browser.text(), "the consent page opens")
    browser.picture(folder / "consent.png")
    browser.click("Continue as Home Listening")
    until("the page that it worked", lambda: "Signed in - cratedigger" in browser.text())
    browser.picture(folder / "signed-in.png")
    must("Home Listening (sandbox-home)" in browser.text(), "the page says whose account it is", browser.text())
    must("state=" not in browser.text() and "code=" not in browser.text(), "no code or state stands in the page")
    out, err = process.communicate(timeout=PATIENCE)
    must(process.returncode == 0 and "user `home` is signed in" in err, "the command says so, too", err)
    ran = project.run("run", "home")
    rows = (project.root / "output/csv/home/saved_tracks.csv").read_text().count("\n") - 1
    must(ran.returncode == 0 and rows > 0, f"a job from a bare environment reads {rows} saved tracks", ran.stderr)


def deny(browser, project, folder):
    print("a user says no")
    process, address = project.login("studio")
    browser.open(address)
    browser.click("Cancel")
    until("the page that it did not work", lambda: "Not signed in - cratedigger" in browser.text())
    browser.picture(folder / "denied.png")
    must("did not grant access" in browser.text(), "the page says why", browser.text())
    out, err = process.communicate(timeout=PATIENCE)
    must(process.returncode == 77 and "access_denied" in err, "the command ends with 77", err)
    listed = project.run("auth", "list", "--json").stdout
    states = {grant["user"]: grant["state"] for grant in json.loads(listed)}
    must(states == {"home": "ok", "studio": "not_signed_in"}, "no grant is stored", listed)


def attack(browser, project, folder):
    print("answers that are none")
    process, address = project.login("studio")
    uri, state = redirect_of(address)
    browser.open(f"{uri}?code=AQDmadeup&state=somebody-elses")
    must("Another sign-in" in browser.text(), "another state is refused")
    browser.picture(folder / "another-state.png")
    evil = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    query = urllib.parse.urlencode({"error": evil, "code": evil, "state": evil, evil: evil})
    browser.open(f"{uri}?{query}")
    html = browser.run("return document.documentElement.outerHTML")
    must("owned" not in html and "onerror" not in html, "HTML in the query gets into no page", html)
    browser.open(uri.replace("/callback", "/<b>x</b>"))
    must("Not found" in browser.text(), "another path is not found")
    # The same HTML in a denial with the correct state.
    browser.open(f"{uri}?{urllib.parse.urlencode({'error': evil, 'state': state})}")
    until("the page of the denial", lambda: "Not signed in" in browser.text())
    html = browser.run("return document.documentElement.outerHTML")
    must("owned" not in html and "onerror" not in html, "nor does it with the right state", html)
    browser.picture(folder / "html-in-callback.png")
    out, err = process.communicate(timeout=PATIENCE)
    must(process.returncode == 77 and "onerror" not in err, "the command ends with 77 and does not repeat it", err)
    try:
        browser.open(f"{uri}?code=AQDmadeup&state={state}")
        late = browser.text()
    except urllib.error.HTTPError as error:
        late = error.read().decode()
    must("ERR_CONNECTION_REFUSED" in late or "refused" in late, "afterwards nobody listens", late)


def control(project, path, body):
    request = urllib.request.Request(project.accounts + path, data=json.dumps(body).encode(), method="POST")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()


def paste(browser, project, folder):
    print("a user elsewhere is signed in by a pasted address, in two commands")
    address = project.run("auth", "login", "studio", "--no-browser").stdout.strip()
    must("\n" not in address and address.startswith("http"), "the address stands alone on stdout")
    browser.open(address)
    try:
        browser.click("Continue as Studio")
    except urllib.error.HTTPError:
        pass  # No server listens at this address, but the address bar has the answer.
    back = until("the browser is sent back", lambda: browser.run("return location.href"))
    back = back if "code=" in back else redirected(address, "sandbox-studio")
    ran = project.run("auth", "login", "studio", "--paste", back)
    must(ran.returncode == 0 and "user `studio` is signed in" in ran.stderr, "the second command finishes it", ran.stderr)


def redirected(address, user):
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay).open(f"{address}&sandbox_user={user}")
    except urllib.error.HTTPError as error:
        return error.headers["location"]
    sys.exit("the consent led nowhere")


def months(project):
    print("both run unattended, from a bare environment, until the consent ends")
    cut = {"do": "remove", "playlist": "0SandboxBigPlaylist000", "position": 0, "count": 49_900}
    control(project, "/_sandbox/edit", cut)
    ran = project.run("run", "all", "--json")
    must(ran.returncode == 0, "all streams of both are complete", ran.stderr)
    fetches = json.loads(ran.stdout)["runs"][0]["fetches"]
    must(len(fetches) == 24 and all(fetch["stored"] > 0 for fetch in fetches), "24 parts, each with rows", fetches)
    control(project, "/_sandbox/advance", {"seconds": 7_200})
    ran = project.run("run", "all")
    must(ran.returncode == 0, "past the end of the access tokens: complete", ran.stderr)
    control(project, "/_sandbox/advance", {"seconds": 190 * 86_400})
    ran = project.run("run", "all")
    typed = [f"hint: cratedigger auth login {user}" in ran.stderr for user in ("home", "studio")]
    must(ran.returncode == 77 and all(typed), "past six months: 77, and what to type", ran.stderr)
    listed = project.run("jobs").stdout
    must("home must sign in, studio must sign in" in listed, "`jobs` shows it", listed)


def main():
    binary, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    chromium, driver = find("chromium", "chromium-browser", "google-chrome"), find("chromedriver")
    if not (chromium and driver):
        print("chromium or chromedriver is missing: apt-get install chromium chromium-driver", file=sys.stderr)
        sys.exit(69)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    project = Project(binary, folder)
    browser = None
    try:
        browser = Chromium(chromium, driver, folder)
        sign_in(browser, project, folder)
        deny(browser, project, folder)
        attack(browser, project, folder)
        paste(browser, project, folder)
        months(project)
    finally:
        if browser:
            browser.close()
        project.sandbox.terminate()
        project.sandbox.wait()
    print(f"pictures of the pages: {folder}/*.png")


if __name__ == "__main__":
    main()
