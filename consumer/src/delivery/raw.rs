//! The long way to read an invocation: whatever form its JSON has.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use base64_simd::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor};

use super::{Delivered, Gathered};
use crate::batch::BatchError;

/// The whole.
#[derive(Deserialize)]
pub(super) struct Invocation {
    #[serde(rename = "Records")]
    pub(super) records: Records,
}

/// The records, up to one that is none of a mapping.
pub(super) struct Records(pub(super) Result<Gathered, BatchError>);

/// A record.
#[derive(Deserialize)]
struct RawRecord<'a> {
    #[serde(rename = "eventSourceARN", default, borrow)]
    stream: Text<'a>,
    #[serde(rename = "eventID", default, borrow)]
    event_id: Text<'a>,
    #[serde(borrow)]
    kinesis: RawKinesis<'a>,
}

/// What the stream says of it.
#[derive(Deserialize)]
struct RawKinesis<'a> {
    #[serde(rename = "sequenceNumber", default, borrow)]
    sequence_number: Text<'a>,
    data: Data,
    #[serde(rename = "approximateArrivalTimestamp")]
    arrived: ArrivedMs,
}

/// A text, borrowed where it has no escapes; `null` is an empty one.
#[derive(Default)]
struct Text<'a>(Cow<'a, str>);

/// Bytes, written as Base64.
struct Data(Vec<u8>);

/// An instant in milliseconds since the epoch, written as seconds with a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArrivedMs(pub(crate) i64);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Records;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("records")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<Records, A::Error> {
                let mut gathered = Gathered::default();
                while let Some(raw) = records.next_element::<RawRecord<'de>>()? {
                    let delivered = Delivered {
                        stream: &raw.stream,
                        event_id: &raw.event_id,
                        sequence: &raw.kinesis.sequence_number,
                        arrived: raw.kinesis.arrived,
                        data: raw.kinesis.data.0,
                    };
                    if let Err(error) = gathered.add(delivered) {
                        while records.next_element::<IgnoredAny>()?.is_some() {}
                        return Ok(Records(Err(error)));
                    }
                }
                Ok(Records(Ok(gathered)))
            }
        }

        deserializer.deserialize_seq(Each)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E: Error>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }

        deserializer.deserialize_any(Any)
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Base64;

        impl Visitor<'_> for Base64 {
            type Value = Data;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("Base64")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Data, E> {
                STANDARD.decode_to_vec(text).map(Data).map_err(|_| E::custom("a record's data is no Base64"))
            }
        }

        deserializer.deserialize_str(Base64)
    }
}

impl<'de> Deserialize<'de> for ArrivedMs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seconds;

        impl Visitor<'_> for Seconds {
            type Value = ArrivedMs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds since the epoch")
            }

            fn visit_f64<E: Error>(self, seconds: f64) -> Result<ArrivedMs, E> {
                Ok(ArrivedMs((seconds * 1_000.0).round() as i64))
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<ArrivedMs, E> {
                self.visit_f64(seconds as f64)
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<ArrivedMs, E> {
                self.visit_f64(seconds as f64)
            }

            fn visit_str<E: Error>(self, seconds: &str) -> Result<ArrivedMs, E> {
                let seconds: f64 = seconds.parse().map_err(|_| E::custom("an arrival time is no number of seconds"))?;
                self.visit_f64(seconds)
            }
        }

        deserializer.deserialize_any(Seconds)
    }
}
