//! What the report holds.

use std::fs;

use burn_prune::lottery::StudyReport;

use super::{Lab, STEPS, controlled, csv, plain};

#[test]
fn the_report_has_what_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    let report = Lab::new()
        .run(&plain(folder.path()).seeds([0, 1]).method(controlled()))
        .unwrap();
    let out = folder.path().join("out");
    let csv = csv(&out, &report);
    let mut lines = csv.lines();
    let header = "seed,method,round,remaining,test_accuracy,validation_loss,early_stop_iteration";
    assert_eq!(lines.next(), Some(header));
    assert_eq!(lines.count(), 18);
    for file in [
        "results.json",
        "accuracy.svg",
        "accuracy.png",
        "early-stop.svg",
        "early-stop.png",
    ] {
        assert!(fs::metadata(out.join(file)).unwrap().len() > 500, "{file}");
    }
    let page = fs::read_to_string(out.join("index.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 2);
    assert_eq!(page.matches("<tr>").count(), 2 + 9 + 18);
    // Nothing is fetched. The only addresses are names of XML spaces.
    for address in page.match_indices("http") {
        assert!(
            page[address.0..].starts_with("http://www.w3.org/"),
            "{}",
            &page[address.0..][..60]
        );
    }
    for fetched in ["<script", "<link", "<img", "@import", "url("] {
        assert!(!page.contains(fetched), "{fetched}");
    }
    let json = fs::read_to_string(out.join("results.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), 18);
    assert_eq!(json["settings"]["steps"], STEPS);
    assert!(report.to_string().contains("ticket-shuffled-mask"));
}

#[test]
fn a_saved_report_is_loaded_and_makes_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let [study, saved, again] = ["study", "saved", "again"].map(|name| folder.path().join(name));
    let report = Lab::new()
        .run(&plain(&study).seeds([0, 1]).method(controlled()))
        .unwrap();
    report.save(&saved).unwrap();
    StudyReport::load(&saved).unwrap().save(&again).unwrap();
    for file in [
        "results.csv",
        "accuracy.svg",
        "early-stop.svg",
        "accuracy.png",
        "index.html",
    ] {
        let [before, after] = [&saved, &again].map(|folder| fs::read(folder.join(file)).unwrap());
        assert!(before == after, "{file}");
    }

    // Rows of another report.
    let path = saved.join("results.csv");
    let text = fs::read_to_string(&path).unwrap();
    let first = text.lines().nth(1).unwrap();
    let fewer = text.replace(&format!("{first}\n"), "");
    let another = text.replace("0,dense,0,", "0,dense,7,");
    for (wrong, expected) in [(fewer, "the 18 rows"), (another, "expected the cell")] {
        fs::write(&path, wrong).unwrap();
        let error = StudyReport::load(&saved).unwrap_err().to_string();
        assert!(
            error.contains("results.csv") && error.contains(expected),
            "{error}"
        );
    }
}
