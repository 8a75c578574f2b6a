//! A request's body: read within its bounds of size, time and memory, and taken out of its compression.

use std::io::{self, Read};
use std::pin::pin;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use headcount_core::limits::MAX_RECORD_BYTES;
use headcount_core::wire::{Gunzip, MAX_ZSTD_WINDOW_LOG};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use super::budget::{Budget, Charge};
use super::refusal::Refusal;

/// Bytes of a body as it is sent: 1 MiB. Spans come in batches that their exporter cannot divide, so they may have more.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// Bytes of a body after decompression: 4 MiB, as much as a record of the stream may hold.
pub const MAX_PLAIN_BYTES: usize = MAX_RECORD_BYTES;

/// What gzip begins with (RFC 1952, section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What is read of a body that is refused, in bytes, so that its sender sees the answer: a connection that is closed on a
/// sender takes the answer with it.
const MAX_DRAINED_BYTES: usize = 4 << 20;

/// The longest that a body may take to come.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Gzip,
    Zstd,
}

impl Encoding {
    /// What the headers say of the body, which may have `most` bytes, before any of it is read.
    pub(super) fn of(headers: &HeaderMap, most: usize) -> Result<Self, Refusal> {
        let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|bytes| bytes > most as u64) {
            return Err(Refusal::TooLarge(most));
        }
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
        match (
            encodings.next().map(|value| value.to_str().unwrap_or("?").trim().to_ascii_lowercase()),
            encodings.next(),
        ) {
            (None, _) => Ok(Self::Plain),
            (Some(name), None) => match &*name {
                "" | "identity" => Ok(Self::Plain),
                "gzip" | "x-gzip" => Ok(Self::Gzip),
                "zstd" => Ok(Self::Zstd),
                _ => Err(Refusal::Encoding),
            },
            (Some(_), Some(_)) => Err(Refusal::Encoding),
        }
    }

    /// The same, or gzip where the body is that without saying so: PostHog's script for browsers says it in no header.
    pub(super) fn or_gzip(self, body: &[u8]) -> Self {
        if self == Self::Plain && body.starts_with(&GZIP_MAGIC) { Self::Gzip } else { self }
    }

    /// The body without its compression. Reads one byte more than is allowed at most, so that a bomb costs no more than an
    /// honest body.
    pub(super) fn open(self, body: Bytes) -> Result<Bytes, Refusal> {
        match self {
            Self::Plain => Ok(body),
            Self::Gzip => read_bounded(Gunzip::new(&*body)),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(&*body).map_err(|error| corrupt(&error))?;
                decoder.window_log_max(MAX_ZSTD_WINDOW_LOG).map_err(|error| corrupt(&error))?;
                read_bounded(decoder)
            }
        }
    }
}

/// The media type that the headers name, without its parameters; empty where they name none.
pub(super) fn media_type(headers: &HeaderMap) -> &str {
    let given = headers.get(CONTENT_TYPE).and_then(|given| given.to_str().ok()).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim()
}

/// Whether a body is what a form sends, and no JSON. What a body is called says little: `curl -d` calls all of them a form.
pub(super) fn is_form(headers: &HeaderMap, plain: &[u8]) -> bool {
    let called = media_type(headers);
    let is_called_form = FORMS.iter().any(|form| form.eq_ignore_ascii_case(called));
    let begin = plain.strip_prefix(b"\xef\xbb\xbf").unwrap_or(plain).trim_ascii_start();
    is_called_form && !matches!(begin.first(), None | Some(b'{' | b'['))
}

/// What browsers call the bodies of forms.
const FORMS: [&str; 2] = ["application/x-www-form-urlencoded", "multipart/form-data"];

fn read_bounded(decoder: impl Read) -> Result<Bytes, Refusal> {
    let mut plain = Vec::new();
    decoder.take(MAX_PLAIN_BYTES as u64 + 1).read_to_end(&mut plain).map_err(|error| corrupt(&error))?;
    if plain.len() > MAX_PLAIN_BYTES { Err(Refusal::LargerThan(MAX_PLAIN_BYTES)) } else { Ok(plain.into()) }
}

fn corrupt(error: &io::Error) -> Refusal {
    Refusal::Corrupt(error.to_string())
}

/// Reads the whole body, of `most` bytes at most. What has come is charged as it comes, so that senders who declare much and send little hold little.
pub(super) async fn read<B>(body: B, budget: &Budget, most: usize) -> Result<(Bytes, Charge<'_>), Refusal>
where
    B: Body,
{
    let by = Instant::now() + BODY_TIMEOUT;
    let mut body = pin!(body);
    let mut charge = budget.open();
    let mut read = Vec::new();
    while let Some(frame) = timeout_at(by, body.frame()).await.map_err(|_| Refusal::TooSlow)? {
        // Whoever breaks off hears no answer.
        let frame = frame.map_err(|_| Refusal::BrokenOff)?;
        let Ok(mut data) = frame.into_data() else { continue };
        if read.len() + data.remaining() > most {
            drop(read);
            drain(body, by).await;
            return Err(Refusal::TooLarge(most));
        }
        if !charge.add(data.remaining()) {
            drop(read);
            drain(body, by).await;
            return Err(Refusal::Busy);
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            read.extend_from_slice(chunk);
            let length = chunk.len();
            data.advance(length);
        }
    }
    Ok((read.into(), charge))
}

/// Reads some of a body that nobody wants.
pub(super) async fn discard<B: Body>(body: B) {
    let by = Instant::now() + BODY_TIMEOUT;
    drain(pin!(body), by).await;
}

async fn drain<B: Body>(mut body: std::pin::Pin<&mut B>, by: Instant) {
    let mut drained = 0;
    while let Ok(Some(Ok(frame))) = timeout_at(by, body.frame()).await {
        drained += frame.data_ref().map_or(0, bytes::Buf::remaining);
        if drained > MAX_DRAINED_BYTES {
            break;
        }
    }
}

#[cfg(test)]
mod tests;
