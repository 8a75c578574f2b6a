//! Links of the documents: every relative one leads to a file of the project, every anchor to a heading.

use std::path::Path;

use crate::project::{Project, has_extension};

/// The links of a document that lead nowhere.
pub(crate) fn complaints(path: &str, text: &str, project: &Project) -> Vec<String> {
    let broken = targets(text).into_iter().filter(|target| !leads_somewhere(path, text, target, project));
    broken.map(|target| format!("{path}: the link to `{target}` leads nowhere")).collect()
}

fn leads_somewhere(path: &str, text: &str, target: &str, project: &Project) -> bool {
    let elsewhere = ["http://", "https://", "mailto:"];
    if elsewhere.iter().any(|scheme| target.starts_with(scheme)) {
        return true;
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    if file.is_empty() {
        return anchor.is_some_and(|anchor| has_heading(text, anchor));
    }
    let Some(file) = resolved(path, file) else { return false };
    let anchored = |anchor| !has_extension(&file, "md") || has_heading(&project.text(&file), anchor);
    project.has(&file) && anchor.is_none_or(anchored)
}

/// The path that a link of a document means, from the root of the project; none outside of it.
fn resolved(document: &str, target: &str) -> Option<String> {
    let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.retain(|part| !part.is_empty());
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    Some(parts.join("/"))
}

/// The targets of `[text](target)`, of images and of `[name]: target`, outside code.
fn targets(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for line in prose(text) {
        let spans = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        for after in spans.split("](").skip(1) {
            let target = after.split([')', ' ']).next().unwrap_or_default();
            targets.push(target.trim_matches(['<', '>']).to_owned());
        }
        let defined = spans.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        targets.extend(defined.and_then(|(_, target)| target.split_whitespace().next()).map(str::to_owned));
    }
    targets
}

/// The lines that are not inside a fenced block of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// Whether a heading has this anchor: in lower case, spaces as hyphens, other punctuation dropped.
fn has_heading(text: &str, anchor: &str) -> bool {
    let headings = prose(text).filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let slug = |heading: &str| {
        let kept = heading.chars().filter(|at| at.is_alphanumeric() || matches!(at, ' ' | '-' | '_'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(slug).any(|heading| heading == anchor)
}

#[test]
fn links_that_lead_nowhere_are_named() {
    let project =
        Project::of_files(Path::new("."), &["README.md", "docs/cost.md", "docs/image.png", "core/src/lib.rs"]);
    for (text, broken) in [
        ("see [cost](docs/cost.md) and ![it](./docs/image.png)", 0),
        ("see [core](core/) and [core](core/src) and [there](https://example.com/nowhere)", 0),
        ("see [cost](docs/costs.md)", 1),
        ("see [out](../outside.md) or [a](a.md) or [b](b.md \"title\")", 3),
        ("`[no](link.md)` and\n```\n[neither](this.md)\n```\nbut [this](one.md)", 1),
        ("[name]: docs/none.md", 1),
        ("[name]: docs/cost.md", 0),
        ("# What it costs, in `all`\n[up](#what-it-costs-in-all) [down](#what-it-is)", 1),
    ] {
        assert_eq!(complaints("README.md", text, &project).len(), broken, "{text}");
    }
    for (text, broken) in [("[up](../README.md) [self](cost.md) [root](/core/src/lib.rs)", 0), ("[up](README.md)", 1)] {
        assert_eq!(complaints("docs/cost.md", text, &project).len(), broken, "{text}");
    }
}
