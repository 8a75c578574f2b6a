//! Records, batches and shards: how events travel.

use headcount_consumer::chunk::CHUNK_BYTES;
use serde::Serialize;

use super::units::Load;

/// Bytes of a PUT payload unit, which Kinesis charges for (<https://aws.amazon.com/kinesis/data-streams/pricing/>).
const PAYLOAD_UNIT: f64 = 25_600.0;

/// Records and bytes a second that a shard takes.
const SHARD_RECORDS: f64 = 1_000.0;
const SHARD_BYTES: f64 = 1_000_000.0;

/// The part of its time that a shard's consumer may be busy at the peak: its batches come one after the other.
const BUSY: f64 = 0.8;

/// Records of one batch, at most.
const MAX_BATCH_RECORDS: f64 = 10_000.0;

/// Bytes of one batch, at most: 6 MB with the records in base64, each in an envelope of about 350 bytes.
const MAX_BATCH_BYTES: f64 = 6.0 * 1_024.0 * 1_024.0;
const ENVELOPE: f64 = 350.0;

/// Seconds of the consumer for an event. Assumed, not measured on AWS.
pub(crate) const EVENT_S: f64 = 0.000_15;

/// Groups of users that a producer packs by, and events of a record at most: the producer's own.
const GROUPS: f64 = 32.0;
const MAX_PACKED_EVENTS: f64 = 10_000.0;

/// Seconds that a producer gathers events before it packs them.
const GATHERED_S: f64 = 1.0;

/// Bytes of a packed record for each byte of its events' JSON, by its number of events. Measured on generated events; a test holds it.
const PACKED: [(f64, f64); 7] =
    [(1.0, 0.78), (2.0, 0.55), (5.0, 0.37), (10.0, 0.28), (31.0, 0.19), (100.0, 0.14), (300.0, 0.12)];

/// How producers put events into records.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Packing {
    /// One event a record.
    Single,
    /// Our producers: many events a record, compressed. Each process has records of its own.
    Packed { producers: f64 },
}

/// Bytes of a packed record of so many events, for each byte of their JSON.
pub(crate) fn packed(events: f64) -> f64 {
    let at = PACKED.partition_point(|(of, _)| *of <= events);
    match (at.checked_sub(1).map(|before| PACKED[before]), PACKED.get(at)) {
        (None, _) => PACKED[0].1,
        (Some((_, ratio)), None) => ratio,
        (Some((from, ratio)), Some((to, next))) => {
            let part = (events / from).ln() / (to / from).ln();
            ratio + (next - ratio) * part
        }
    }
}

impl Load {
    /// Events of a record.
    pub(crate) fn events_per_record(&self) -> f64 {
        match self.packing {
            Packing::Single => 1.0,
            Packing::Packed { producers } => {
                let gathered = self.rate() / producers * GATHERED_S;
                let records = GROUPS * (1.0 - (1.0 - 1.0 / GROUPS).powf(gathered));
                (gathered / records).clamp(1.0, MAX_PACKED_EVENTS)
            }
        }
    }

    /// Bytes of a record.
    pub(crate) fn record_bytes(&self) -> f64 {
        let events = self.events_per_record();
        match self.packing {
            Packing::Single => self.event_bytes,
            Packing::Packed { .. } => events * self.event_bytes * packed(events),
        }
    }

    /// PUT payload units an event.
    pub(crate) fn payload_units(&self) -> f64 {
        (self.record_bytes() / PAYLOAD_UNIT).ceil() / self.events_per_record()
    }

    /// Events of one batch of one source: what the window gathers, up to what a batch may hold.
    pub(crate) fn events_per_batch(&self) -> f64 {
        let of_record = self.events_per_record();
        let by_bytes = (MAX_BATCH_BYTES / (self.record_bytes() * 4.0 / 3.0 + ENVELOPE)).floor();
        let gathered = self.rate_of_source() * self.window_s;
        gathered.min(by_bytes.min(MAX_BATCH_RECORDS) * of_record).max(of_record)
    }

    /// Entries of the log that a batch becomes: one is complete once it has so many bytes of JSON.
    pub(crate) fn entries_per_batch(&self) -> f64 {
        (self.events_per_batch() * self.event_bytes / CHUNK_BYTES as f64).ceil().max(1.0)
    }

    /// Shards that the peak needs: for the records, for their bytes, and so that the consumer keeps up.
    pub(crate) fn shards_needed(&self) -> u32 {
        let peak = self.rate() * self.peak;
        let records = peak / self.events_per_record();
        let needed = [records / SHARD_RECORDS, records * self.record_bytes() / SHARD_BYTES, peak * EVENT_S / BUSY];
        needed.into_iter().fold(1.0, f64::max).ceil() as u32
    }
}
