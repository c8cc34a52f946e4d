//! What the report holds.

use std::fs;

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
