//! Events gathered into records.

use std::collections::BTreeMap;

use headcount_core::limits::MAX_EVENTS_PER_RECORD;
use headcount_core::wire::kpl::Aggregate;
use tokio::time::Instant;

use crate::limits::MAX_PACKED_BYTES;
use crate::packing::{Compressor, Group, Packing};
use crate::put_records::Record;
use crate::ticket::Ticket;

/// Plain records that are gathered before they go: a request's worth.
const MAX_GATHERED_RECORDS: usize = crate::limits::MAX_REQUEST_RECORDS;

/// One event on its way.
#[derive(Debug)]
pub(crate) struct Item {
    /// Its JSON, one line.
    pub(crate) line: String,
    /// Its user, or what stands for one.
    pub(crate) partition_key: String,
    /// What it takes of the room, bytes.
    pub(crate) room_bytes: usize,
    /// Whether it must have a record of its own.
    pub(crate) is_alone: bool,
    /// Who waits for its fate.
    pub(crate) ticket: Option<Ticket>,
    /// When it goes at the latest.
    pub(crate) due: Instant,
}

/// A record on its way.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) record: Record,
    /// Events in it.
    pub(crate) events: usize,
    /// What they take of the room, bytes.
    pub(crate) room_bytes: usize,
    /// Who waits for which of them, by index.
    pub(crate) tickets: Vec<(usize, Ticket)>,
    /// Tries so far.
    pub(crate) tries: u32,
    /// When the first try began.
    pub(crate) first_try: Option<Instant>,
    /// The flush that it comes before.
    pub(crate) epoch: u64,
}

/// Gathers events.
pub(crate) struct Assembler {
    packing: Packing,
    groups: u32,
    open: BTreeMap<Group, Buffer>,
    plain: Vec<Outgoing>,
    due: Option<Instant>,
    compressor: Compressor,
}

#[derive(Default)]
struct Buffer {
    /// For zstd, the events one a line.
    lines: Vec<u8>,
    /// For KPL, the events with their partition keys.
    records: Vec<(String, String)>,
    /// Bytes of the record, before compression.
    bytes: usize,
    events: usize,
    room_bytes: usize,
    tickets: Vec<(usize, Ticket)>,
}

impl Assembler {
    pub(crate) fn new(packing: Packing, groups: u32) -> Self {
        let compressor = Compressor::new();
        Self { packing, groups, open: BTreeMap::new(), plain: Vec::new(), due: None, compressor }
    }

    /// Takes an event; what is full then goes to `out`.
    pub(crate) fn push(&mut self, item: Item, out: &mut Vec<Outgoing>) {
        self.due = Some(self.due.map_or(item.due, |due| due.min(item.due)));
        match self.packing {
            Packing::Zstd | Packing::Kpl if !item.is_alone && item.line.len() < MAX_PACKED_BYTES / 2 => {
                self.pack(item, out);
            }
            Packing::Off | Packing::Zstd | Packing::Kpl => {
                self.plain.push(plain(item));
                if self.plain.len() >= MAX_GATHERED_RECORDS {
                    out.append(&mut self.plain);
                }
            }
        }
    }

    /// When what was gathered must go.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Hands out everything.
    pub(crate) fn close(&mut self, out: &mut Vec<Outgoing>) {
        self.due = None;
        out.append(&mut self.plain);
        for (group, buffer) in std::mem::take(&mut self.open) {
            out.push(self.seal(group, buffer));
        }
    }

    fn pack(&mut self, item: Item, out: &mut Vec<Outgoing>) {
        let group = Group::of(&item.partition_key, self.groups);
        let cost = match self.packing {
            Packing::Kpl => Aggregate::cost(&item.partition_key, item.line.len()),
            Packing::Off | Packing::Zstd => item.line.len() + 1,
        };
        let buffer = self.open.entry(group).or_default();
        let is_full = buffer.bytes + cost > MAX_PACKED_BYTES || buffer.events >= MAX_EVENTS_PER_RECORD;
        let full = is_full.then(|| std::mem::take(buffer));
        if self.packing == Packing::Kpl {
            buffer.records.push((item.partition_key, item.line));
        } else {
            if buffer.events > 0 {
                buffer.lines.push(b'\n');
            }
            buffer.lines.extend_from_slice(item.line.as_bytes());
        }
        buffer.tickets.extend(item.ticket.map(|ticket| (buffer.events, ticket)));
        buffer.events += 1;
        buffer.bytes += cost;
        buffer.room_bytes += item.room_bytes;
        if let Some(full) = full {
            out.push(self.seal(group, full));
        }
    }

    fn seal(&mut self, group: Group, buffer: Buffer) -> Outgoing {
        let explicit_hash_key = group.explicit_hash_key(self.groups);
        let data = if self.packing == Packing::Kpl {
            let mut aggregate = Aggregate::new(&explicit_hash_key);
            for (partition_key, line) in buffer.records {
                aggregate.push(&partition_key, line.into_bytes());
            }
            aggregate.finish()
        } else {
            self.compressor.compress(buffer.lines)
        };
        let partition_key = group.partition_key(self.groups);
        let record = Record { partition_key, explicit_hash_key: Some(explicit_hash_key), data };
        let Buffer { events, room_bytes, tickets, .. } = buffer;
        Outgoing { record, events, room_bytes, tickets, tries: 0, first_try: None, epoch: 0 }
    }
}

fn plain(item: Item) -> Outgoing {
    let Item { line, partition_key, room_bytes, ticket, .. } = item;
    let record = Record { partition_key, explicit_hash_key: None, data: line.into_bytes() };
    let tickets = ticket.map(|ticket| (0, ticket)).into_iter().collect();
    Outgoing { record, events: 1, room_bytes, tickets, tries: 0, first_try: None, epoch: 0 }
}
