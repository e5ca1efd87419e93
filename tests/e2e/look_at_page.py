"""look_at_page.py BROWSER PAGE [--dark]: a page in a real browser, at 400, 1100 and 1600 pixels (dark: at 1100 alone); what is
wrong with it.

Exit code 1 and a line per fault; else a line of what was found."""
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

WIDTHS = [400, 1100, 1600]
CATCH = ("<script>window.foundErrors=[];addEventListener('error',(e)=>foundErrors.push(String(e.message)),true);"
         "addEventListener('unhandledrejection',(e)=>foundErrors.push(String(e.reason)));"
         "addEventListener('securitypolicyviolation',(e)=>foundErrors.push(String(e.blockedURI)));"
         "for(const f of ['error','warn'])console[f]=(...a)=>foundErrors.push(a.join(' '));"
         "addEventListener('load',()=>{document.documentElement.dataset.loaded=performance.now()});</script>")


def browse(browser, url, folder, *options):
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
               "--allow-file-access-from-files", "--enable-logging=stderr", "--v=0", "--window-size=1700,1000",
               f"--user-data-dir={folder}/profile", *options, "--dump-dom", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, said


def faults_of(found):
    if "failed" in found:
        return [found["failed"]]
    at = f"at {found['width']} pixels: "
    faults = []
    if found["page"] > found["width"]:
        faults.append(f"{at}the page is {found['page']} wide")
    for what, text in (("beyond", "ends beyond the page"), ("cut", "is cut"), ("errors", "error"),
                       ("nameless", "has no name")):
        faults += [f"{at}{text}: {item}" for item in found[what]]
    for what, text in (("broken", "pictures are not there"), ("loose", "row heads scroll away"),
                       ("unlinked", "links lead nowhere")):
        if found[what]:
            faults.append(f"{at}{found[what]} {text}")
    if found["tools"] != found["figures"]:
        faults.append(f"{at}{found['figures']} figures, {found['tools']} with their buttons")
    for turn, before, after, images, said in found.get("turns", []):
        wanted = images - 1 if turn == "slider" else 1
        if (before, after) != (0, wanted) or not said:
            faults.append(f"{at}a {turn} figure of {images} turned from {before} to {after}, saying '{said}'")
    if "saved" in found:
        png = sum(1 for name, _ in found["saved"] if name.endswith(".png"))
        if png != found["figures"] or len(found["png"]) != found["plots"] or min(found["png"], default=9999) < 1000:
            faults.append(f"{at}{found['figures']} figures, {png} saved as PNG; plots of {found['png']} bytes")
        if len(found["csv"]) < found["plots"] or any(len(lines) < 2 or "," not in lines[1] for lines in found["csv"]):
            faults.append(f"{at}{found['plots']} plots, CSV: {found['csv']}")
    return faults


def main():
    browser, page = sys.argv[1:3]
    dark = "--dark" in sys.argv
    folder = tempfile.mkdtemp()
    try:
        text = open(page, encoding="utf-8").read()
        with open(f"{folder}/page.html", "w", encoding="utf-8") as f:
            f.write(re.sub(r"(<html[^>]*><head>)", lambda m: m[1] + CATCH, text, count=1))
        harness = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "browser_check.html")).read()
        with open(f"{folder}/check.html", "w") as f:
            widths = [1100] if dark else WIDTHS
            f.write(harness.replace("WIDTHS", json.dumps(widths)).replace("'PAGE'", "'page.html'"))
        scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
        for _ in range(4):  # on a busy machine the browser's virtual time may pass before the frames are there
            dom, said = browse(browser, f"file://{folder}/check.html", folder, "--virtual-time-budget=1000000", *scheme)
            result = re.search(r'<pre id="result">(.*?)</pre>', dom, re.S)
            if result and result[1]:
                break
        all_found = json.loads(html.unescape(result[1])) if result and result[1] else [{"failed": "no result: " + dom[-400:]}]
        faults = [fault for found in all_found for fault in faults_of(found)] + said
        background = all_found[0].get("background")
        if (background != "rgb(255, 255, 255)") != dark:
            faults.append(f"background {background} on a {'dark' if dark else 'light'} screen")
        # Not in virtual time: how long it takes until the page is there. Twice as many processes as cores: twice as long.
        limit_ms = 1000 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        took = []
        for _ in range(3):
            dom, said = browse(browser, f"file://{folder}/page.html", folder)
            loaded = re.search(r'data-loaded="([\d.]+)"', dom)
            took.append(float(loaded[1]) if loaded else float("inf"))
            if dark or took[-1] <= limit_ms:
                break
        if not dark and min(took) > limit_ms:
            faults.append(f"the page opens in {min(took):.0f} ms, more than {limit_ms:.0f}")
        if len(text.encode()) > 5_000_000:
            faults.append(f"the page has {len(text.encode())} bytes")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for fault in faults:
        print(fault)
    found = all_found[0]
    if not faults:
        print(f"{found['figures']} figures ({found['plots']} plots, {len(found['turns'])} with pages), {found['tables']} tables, "
              f"{len(found['csv'])} CSV, sections {', '.join(found['sections'])}; {len(text.encode())} bytes, "
              f"opens in {min(took):.0f} ms")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
