//! The page in a real browser: nothing reaches beyond it, is cut, overlaps or is too pale, at two
//! widths and in both themes. Runs where there is a Chromium; set `SCREENSHOTS` to a directory to
//! look at it, too, and `RECORD` to a record to have its page looked at instead of the committed
//! one's.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use reports::html;
use reports::record::{Conformance, Measurement, Record, Subject};
use serde_json::Value;

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

fn browser() -> Option<&'static str> {
    BROWSERS.into_iter().find(|browser| {
        let version = Command::new(browser).arg("--version").stdout(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    })
}

/// A page of this width that has the other in it and writes down what that says of itself.
fn frame(width: u32) -> String {
    format!(
        r#"<!DOCTYPE html><meta charset="utf-8"><title>look</title>
<style>body {{ margin: 0 }} iframe {{ border: 0 }}</style>
<iframe src="page.html" width="{width}" height="1600"></iframe><pre id="said"></pre>
<script>addEventListener("message", (event) => {{
  document.getElementById("said").textContent = "said:" + JSON.stringify(event.data) + ":said";
}});</script>"#
    )
}

/// What the browser says of the page.
fn look(browser: &str, directory: &Path, width: u32, is_dark: bool) -> Value {
    let frame_path = directory.join("frame.html");
    fs::write(&frame_path, frame(width)).expect("a scratch file");
    let scheme = if is_dark { 0 } else { 1 };
    let run = |arguments: &[String]| {
        let mut command = Command::new(browser);
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
            .args(["--virtual-time-budget=10000", "--allow-file-access-from-files"])
            .arg(format!("--user-data-dir={}", directory.join("profile").display()))
            .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
            .arg(format!("--window-size={},1600", width.max(600)))
            .args(arguments)
            .arg(format!("file://{}", frame_path.display()));
        command.output().expect("the browser was there before")
    };
    if let Some(target) = env::var_os("SCREENSHOTS") {
        let theme = if is_dark { "dark" } else { "light" };
        let file = Path::new(&target).join(format!("page-{width}-{theme}.png"));
        run(&[format!("--screenshot={}", file.display())]);
    }
    let dumped = run(&["--dump-dom".to_string()]);
    let text = String::from_utf8_lossy(&dumped.stdout);
    let said = text.split_once("said:").and_then(|(_, rest)| rest.split_once(":said"));
    let said = said.unwrap_or_else(|| panic!("the page said nothing:\n{text}")).0;
    let said = said.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&said).expect("it is JSON")
}

/// A page with the script that looks at it.
fn write_page(directory: &Path, page: &str) {
    let page = format!("{page}<script>{}</script>", include_str!("look.js"));
    fs::write(directory.join("page.html"), page).expect("a scratch file");
}

/// The committed record, with as many loops as a machine may hold to the rules and measure.
fn record() -> Record {
    const OTHERS: [(&str, &str); 9] = [
        ("tokio", "1.54.1"),
        ("async-io", "2.6.0"),
        ("mio", "1.1.0"),
        ("libuv", "1.44.2"),
        ("glib", "2.74.6"),
        ("libevent", "2.1.12-stable"),
        ("libev", "4.33"),
        ("sd-event", "252"),
        ("libwayland", "1.21.0"),
    ];
    if let Some(path) = env::var_os("RECORD") {
        return Record::read(Path::new(&path)).unwrap_or_else(|error| panic!("{error}"));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/record.json");
    let mut record = Record::read(&path).expect("the committed record reads");
    let mut known = record.conformance.last().expect("it has loops").clone();
    // What happened in detail is on the page for the loops that are measured.
    known.results.iter_mut().for_each(|result| result.detail = None);
    let of_loops = record.measurements.iter().filter(|it| it.engine.name == "calloop-ref");
    let measured: Vec<Measurement> = of_loops.cloned().collect();
    for (name, version) in OTHERS {
        let subject = Subject { name: name.to_string(), version: version.to_string() };
        let engine = subject.clone();
        let of_engine =
            measured.iter().map(|it| Measurement { engine: engine.clone(), ..it.clone() });
        record.measurements.extend(of_engine);
        if record.conformance.iter().all(|it| it.subject.name != name) {
            record.conformance.push(Conformance { subject, ..known.clone() });
        }
    }
    record
}

#[test]
fn the_page_is_whole_at_every_width_and_in_every_theme() {
    let Some(browser) = browser() else {
        eprintln!("not looked at: there is none of {}", BROWSERS.join(", "));
        return;
    };
    let directory = tempfile::tempdir().expect("a scratch directory");
    write_page(directory.path(), &html::page(&record()));
    for width in [400, 1400] {
        for is_dark in [false, true] {
            let said = look(browser, directory.path(), width, is_dark);
            assert_eq!(said["isDark"], is_dark, "{said}");
            assert_eq!(said["width"], width, "{said}");
            assert_eq!(said["wrong"], Value::Array(Vec::new()), "at {width}, dark: {is_dark}");
        }
    }
}

#[test]
fn what_is_wrong_is_seen() {
    let Some(browser) = browser() else { return };
    let directory = tempfile::tempdir().expect("a scratch directory");
    let page = r##"<body style="background: #fff"><div style="width: 900px">wide</div>
<p style="width: 4em; overflow: hidden; white-space: nowrap">a text that does not fit</p>
<p style="color: #ddd">pale</p><table><tr><td>no header</td></tr></table>
<svg width="100" height="50"><text x="10" y="20">one</text><text x="12" y="22">two</text></svg>"##;
    write_page(directory.path(), page);
    let said = look(browser, directory.path(), 400, false).to_string();
    for expected in
        ["reaches beyond", "is cut", "contrast", "without headers", "overlap", "without a text"]
    {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
}
