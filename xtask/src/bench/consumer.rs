//! What the consumer's handler costs an event, beside the obvious way of the same job on Node (SDK v3, document client)
//! and on Python (boto3, `batch_writer`).

use std::fs;

use anyhow::{Context as _, Result};

use super::line::Line;
use super::place::Place;
use crate::node;

/// Pins the SDK for Node, and has the peer's program.
const NODE: &str = "tests/node-dynamodb";

/// The peer's program on Node.
const NODE_PROGRAM: &str = "consumer.mjs";

/// Pins boto3.
const REQUIREMENTS: &str = "tests/python/boto3.txt";

/// The peer's program on Python.
const PYTHON_PROGRAM: &str = "tests/python/boto3_consumer.py";

pub(super) fn run(place: &Place) -> Result<Vec<Line>> {
    place.say(format_args!("{NODE}: installing"));
    let folder = node::provide(place.root(), NODE, &place.target().join("bench-node-dynamodb"))?;
    // A program finds its packages beside it.
    let on_node = folder.join(NODE_PROGRAM);
    fs::copy(place.root().join(NODE).join(NODE_PROGRAM), &on_node)
        .with_context(|| format!("cannot write {}", on_node.display()))?;
    let python = place.python(REQUIREMENTS, "bench-boto3")?;
    let on_python = place.root().join(PYTHON_PROGRAM);
    let peers = [
        ["Node SDK 3.1169.0".to_owned(), "node".to_owned(), on_node.to_string_lossy().into_owned()],
        [
            "Python boto3 1.44.8".to_owned(),
            python.to_string_lossy().into_owned(),
            on_python.to_string_lossy().into_owned(),
        ],
    ];
    let arguments: Vec<_> =
        peers.iter().flat_map(|peer| std::iter::once("--peer").chain(peer.iter().map(String::as_str))).collect();
    place.measure_part("consumer", &arguments)
}
