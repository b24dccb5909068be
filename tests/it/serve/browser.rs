//! The page in a real browser, while a run goes on on real hosts: what somebody sees who watches, and clicks.

use crate::support::browser::Browser;
use crate::support::program::Program;
use crate::support::visitor::Page;
use std::io::Read;
use std::process::Child;
use std::time::{Duration, Instant};
use surefoot_lab::lab::{Etcd, HostSpec, LabGuard, LabName, LabSpec};

/// What it prints looks like markup, and must not become any.
const BOOK: &str = r#"runbook: test/browser
summary: Something to watch.
hosts: { web: { min: 2 } }
steps:
  - { id: look, on: web, sh: "echo \"<img src=x onerror=alert(1)>\"", reads: true }
  - { id: mark, on: web, file: { path: /root/mark, content: "there\n" } }
  - { id: sure, approve: "Go <b>on</b>?" }
  - { id: grow, on: web, reads: true, sh: "for i in $(seq 1 3000); do echo line $i.; test -e /root/go && exit; sleep 0.1; done" }
  - { id: end, on: web, sh: rm /root/mark, irreversible: it is gone }
"#;

fn hosts() -> (LabGuard, Program) {
    let host = |name: &str| HostSpec { name: name.parse().unwrap(), disk: None };
    let name = LabName::of_this_process("page").unwrap();
    let spec =
        LabSpec { name, hosts: vec![host("web-1"), host("web-2")], etcd: Etcd::None, packages: Default::default() };
    let (lab, program) = (LabGuard::up(&spec, &|_| {}).unwrap(), Program::new());
    let defaults = format!("defaults: {{ ssh_config: \"{}\" }}", lab.ssh_config().display());
    let groups = "hosts: { web-1: {}, web-2: {} }\ngroups: { web: [web-1, web-2] }";
    program.write("site.yaml", &format!("{defaults}\n{groups}\n"));
    program.write("book.yaml", BOOK);
    (lab, program)
}

/// A run that is on record. One that cannot begin, for its hosts are not reached, would be watched for in vain.
fn begun(program: &Program) -> Child {
    let mut run = program.at_terminal(&["run", "book.yaml", "-i", "site.yaml", "--yes", "--log", "quiet"]);
    let until = Instant::now() + Duration::from_secs(120);
    while program.store().runs().unwrap().is_empty() {
        if run.try_wait().unwrap().is_some() || Instant::now() > until {
            let _ = run.kill();
            let mut said = String::new();
            run.stdout.take().unwrap().read_to_string(&mut said).unwrap();
            panic!("it does not begin: {said}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    run
}

/// The marks of a step's tasks.
fn marks(step: &str) -> String {
    format!(
        "[...document.querySelectorAll('li.step')].find((it) => it.querySelector('.id').textContent === '{step}').querySelectorAll('.task')"
    )
}

/// The shape of a step in the graph has a class.
fn drawn(step: &str, class: &str) -> String {
    format!("document.querySelector('[data-step={step}] rect').classList.contains('{class}')")
}

fn state(words: &str) -> String {
    format!("document.querySelector('.title .badge').textContent === '{words}'")
}

#[test]
fn somebody_watches_a_run_approves_it_by_click_and_sees_it_end() {
    let (lab, program) = hosts();
    let page = Page::serve(&program, &["--allow-control"]);
    let mut browser = Browser::open();
    browser.go(&format!("http://{}/#token={}", page.address, page.token));
    browser.until("document.querySelector('.runs').textContent.includes('no run yet')");
    assert!(!browser.eval("location.href").as_str().unwrap().contains(&page.token), "it is not kept in the address");

    let mut run = begun(&program);
    browser.click("document.querySelector('.run a')");
    browser.until(&state("waiting for approval"));
    for (step, class) in [("look", "good"), ("mark", "change"), ("sure", "open"), ("grow", "idle")] {
        browser.until(&drawn(step, class));
    }
    browser.until(&format!("[...{}].every((mark) => mark.classList.contains('change'))", marks("mark")));
    browser.click(&format!("{}[1]", marks("look")));
    browser.until("document.querySelector('.output').textContent === '<img src=x onerror=alert(1)>\\n'");
    assert_eq!(browser.eval("document.querySelectorAll('img').length"), 0, "it is text");
    assert_eq!(browser.eval("document.querySelectorAll('.lane svg').length"), 3, "two hosts and the controller");

    browser.click("document.querySelector('.notice.ask .act')");
    browser.until("document.querySelector('dialog').textContent.includes('Go <b>on</b>?')");
    browser.click("document.querySelector('dialog .yes')");
    browser.until(&drawn("grow", "open"));
    browser.until("!document.querySelector('.notice.ask, dialog')");
    browser.click(&format!("{}[0]", marks("grow")));
    browser.until("document.querySelector('.output').textContent.startsWith('line 1.')");
    let seen = browser.eval("document.querySelector('.output').textContent.length");
    browser.until(&format!("document.querySelector('.output').textContent.length > {seen} + 20"));

    for host in lab.hosts() {
        assert!(lab.enter(host, &["touch", "/root/go"]).unwrap().status().unwrap().success());
    }
    browser.until(&state("done"));
    browser.until("document.querySelector('.far').textContent.startsWith('9 of 9')");
    browser.until(&drawn("end", "change"));
    assert!(run.wait().unwrap().success());
    let way = "document.querySelector('main > details.step')";
    browser.click(&format!("{way}.querySelector('summary')"));
    browser.until(&format!("{way}.textContent.includes('It cannot pass end, a point of no return.')"));

    let paper = |browser: &mut Browser, scheme: &str| {
        browser.prefer(scheme);
        browser.eval("getComputedStyle(document.body).backgroundColor")
    };
    assert_ne!(paper(&mut browser, "light"), paper(&mut browser, "dark"));
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}

/// A button for the whole run.
fn button(words: &str) -> String {
    format!("[...document.querySelectorAll('.title .act')].find((it) => it.textContent === '{words}')")
}

#[test]
fn somebody_pauses_stops_and_cancels_a_run_by_click() {
    let program = Program::new();
    let page = Page::serve(&program, &["--allow-control"]);
    let run = super::held(&program);
    let mut browser = Browser::open();
    browser.go(&format!("http://{}/#token={}", page.address, page.token));
    browser.click("document.querySelector('.run a')");
    let mut does = |words: &str, says: &str, then: &str| {
        browser.click(&button(words));
        browser.until(&format!("document.querySelector('dialog').textContent.includes('{says}')"));
        browser.click("document.querySelector('dialog .yes')");
        browser.until(&state(then));
        let all = "[...document.querySelectorAll('.title .act')].map((it) => it.textContent).join()";
        browser.until("!document.querySelector('dialog')");
        browser.eval(all)
    };
    assert_eq!(does("Pause", "No further task is begun", "paused"), "Go on,Stop safely,Cancel");
    assert_eq!(does("Go on", "The next steps of the run begin", "running"), "Pause,Stop safely,Cancel");
    assert_eq!(does("Stop safely", "What runs is let finish, nothing new starts", "stopping"), "Cancel");
    assert_eq!(does("Cancel", "what runs on the hosts is ended at once", "interrupted"), "");
    assert_eq!(run.end().code, Some(130));
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}
