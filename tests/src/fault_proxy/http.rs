//! As much of HTTP/1.1 as the SDK and the embedded table use between them: a head, and a body of a given length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

/// The longest head, in bytes.
const MAX_HEAD_BYTES: u64 = 64 << 10;

/// The longest body, in bytes: a batched write of 16 MB, as JSON with base64.
const MAX_BODY_BYTES: usize = 32 << 20;

/// A request or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The first line.
    pub(super) start: String,
    /// The headers but for the length.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The length that an answer to `HEAD` announces, without a body.
    pub(super) announced: Option<usize>,
}

impl Message {
    /// A JSON answer.
    pub(super) fn answer(status: u16, body: Vec<u8>) -> Self {
        Self::of_type(status, "application/x-amz-json-1.0", body)
    }

    /// An answer with a body of this type.
    pub(super) fn of_type(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { start: format!("HTTP/1.1 {status} Said"), headers, body, announced: None }
    }

    /// The same without its body, as an answer to `HEAD`.
    pub(super) fn without_body(mut self) -> Self {
        self.announced = Some(self.body.len());
        self.body.clear();
        self
    }

    /// Whether it asks for the head of an answer alone.
    pub(super) fn asks_for_head(&self) -> bool {
        self.start.starts_with("HEAD ")
    }

    /// The first header of this name, in any case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// As it goes over the wire.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.start).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let length = self.announced.unwrap_or(self.body.len());
        bytes.extend_from_slice(format!("content-length: {length}\r\n\r\n").as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Reads the next message; `None` where the other side has ended before one.
pub(super) async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Message>> {
    read_message(from, true).await
}

/// Reads the answer to a request.
pub(super) async fn read_answer(
    from: &mut (impl AsyncBufRead + Unpin),
    request: &Message,
) -> io::Result<Option<Message>> {
    read_message(from, !request.asks_for_head()).await
}

async fn read_message(from: &mut (impl AsyncBufRead + Unpin), has_body: bool) -> io::Result<Option<Message>> {
    let malformed = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut head = from.take(MAX_HEAD_BYTES);
    let mut start = String::new();
    if head.read_line(&mut start).await? == 0 {
        return Ok(None);
    }
    let start = start.trim_end().to_owned();
    let mut message = Message { start, headers: Vec::new(), body: Vec::new(), announced: None };
    let mut length = 0;
    loop {
        let mut line = String::new();
        if head.read_line(&mut line).await? == 0 {
            return Err(malformed("a head without an end"));
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("a header without a colon"))?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(malformed("a body without a length"));
        }
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().map_err(|_| malformed("a length that is no number"))?;
        } else {
            message.headers.push((name.to_owned(), value.to_owned()));
        }
    }
    if length > MAX_BODY_BYTES {
        return Err(malformed("a body that is too long"));
    }
    if !has_body {
        message.announced = Some(length);
        return Ok(Some(message));
    }
    message.body = vec![0; length];
    head.into_inner().read_exact(&mut message.body).await?;
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_read_one_after_the_other_and_written_as_they_were() {
        let wire = "POST / HTTP/1.1\r\nX-Amz-Target: a.B\r\ncontent-length: 3\r\n\r\n{ }HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let mut from = wire.as_bytes();
        let first = read(&mut from).await.unwrap().unwrap();
        assert_eq!((first.header("x-amz-target"), first.body.as_slice()), (Some("a.B"), b"{ }".as_slice()));
        let second = read(&mut from).await.unwrap().unwrap();
        assert_eq!([first.bytes(), second.bytes()].concat(), wire.as_bytes());
        assert_eq!(read(&mut from).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_cut_off_or_has_no_length_is_an_error() {
        for bad in [
            "POST / HTTP/1.1\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n12",
            "POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n",
            "POST / HTTP/1.1\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert!(read(&mut bad.as_bytes()).await.is_err(), "{bad:?}");
        }
    }
}
