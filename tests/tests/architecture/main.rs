//! The architecture, tested: which crate may use which, what core may not touch, what no file may hold.
//!
//! Each rule is a pure function from text to complaints, tested here on samples that break it, and then run over the
//! whole project by the tests of this file.

mod code;
mod dependencies;
mod links;
mod manifest;
mod project;
mod purity;
mod text;

use project::{Project, has_extension};

/// Fails with every complaint at once.
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn every_crate_depends_only_on_crates_that_it_may_use() {
    let manifests = Project::open().manifests();
    assert!(manifests.len() > 5, "the project's crates were not found");
    let complaints = manifests.iter().flat_map(|(folder, text)| dependencies::complaints(folder, text));
    assert_none(&complaints.collect::<Vec<_>>());
}

#[test]
fn every_crate_inherits_the_lints_and_the_package_fields_of_the_workspace() {
    let project = Project::open();
    let complaints = project.manifests().iter().flat_map(|(folder, text)| manifest::complaints(folder, text)).collect();
    let members = manifest::member_complaints(&project.text("Cargo.toml"), &project.folders_with("Cargo.toml"));
    assert_none(&[complaints, members].concat());
}

#[test]
fn core_does_no_io_and_reads_no_clock_environment_or_randomness() {
    let project = Project::open();
    let files = project.texts(|path| path.starts_with("core/src/") && code::is_source(path) && !code::is_test(path));
    assert!(files.len() > 5, "core's sources were not found");
    let code = files.iter().flat_map(|(path, text)| purity::complaints(path, text));
    let manifest = purity::dependency_complaints(&project.text("core/Cargo.toml"));
    assert_none(&code.chain(manifest).collect::<Vec<_>>());
}

#[test]
fn source_files_leave_nothing_to_do() {
    let files = Project::open().texts(code::is_source);
    let complaints = files.iter().flat_map(|(path, text)| code::complaints(path, text));
    assert_none(&complaints.collect::<Vec<_>>());
}

#[test]
fn every_relative_link_of_the_documents_leads_somewhere() {
    let project = Project::open();
    let documents = project.texts(|path| has_extension(path, "md"));
    let complaints = documents.iter().flat_map(|(path, text)| links::complaints(path, text, &project));
    assert_none(&complaints.collect::<Vec<_>>());
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let files = Project::open().texts(|_| true);
    let complaints = files.iter().flat_map(|(path, text)| text::complaints(path, text));
    assert_none(&complaints.collect::<Vec<_>>());
}
