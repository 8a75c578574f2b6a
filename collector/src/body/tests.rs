use std::io::Write as _;

use http_body_util::Full;

use super::*;

fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

#[test]
fn headers_say_what_may_come() {
    let check = |given: &[(&'static str, &str)], expected: Result<Encoding, Refusal>| {
        assert_eq!(Encoding::of(&headers(given), MAX_BODY_BYTES), expected, "{given:?}");
    };
    check(&[], Ok(Encoding::Plain));
    check(&[("content-type", "application/json; charset=utf-8")], Ok(Encoding::Plain));
    check(&[("content-type", "Text/Plain"), ("content-encoding", "GZIP")], Ok(Encoding::Gzip));
    check(&[("content-encoding", "zstd"), ("content-length", "1048576")], Ok(Encoding::Zstd));
    check(&[("content-type", "application/xml")], Ok(Encoding::Plain));
    check(&[("content-encoding", "br")], Err(Refusal::Encoding));
    check(&[("content-encoding", "gzip, gzip")], Err(Refusal::Encoding));
    check(&[("content-encoding", "gzip"), ("content-encoding", "gzip")], Err(Refusal::Encoding));
    check(&[("content-length", "1048577")], Err(Refusal::TooLarge(MAX_BODY_BYTES)));
}

fn gzip(plain: &[u8]) -> Bytes {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(plain).unwrap();
    packed.finish().unwrap().into()
}

#[test]
fn a_form_is_no_event_and_json_is_one_whatever_it_is_called() {
    let form = |media_type: &str, body: &str| is_form(&headers(&[("content-type", media_type)]), body.as_bytes());
    assert!(form("application/x-www-form-urlencoded", "userId=u&eventType=page_view"));
    assert!(form("Multipart/Form-Data; boundary=x", "--x\r\n"));
    for media_type in
        ["application/x-www-form-urlencoded", "image/png", "text/plain", "application/json; charset=utf-8"]
    {
        assert!(!form(media_type, " {\"userId\":\"u\"}") && !form(media_type, "\u{feff}[]"), "{media_type}");
    }
    assert!(!form("text/xml", "<event/>"), "it is for the rules to refuse");
}

#[test]
fn a_bomb_costs_no_more_than_an_honest_body() {
    let most = vec![b' '; MAX_PLAIN_BYTES];
    let more = vec![b' '; MAX_PLAIN_BYTES + 1];
    assert_eq!(Encoding::Gzip.open(gzip(&most)).unwrap().len(), MAX_PLAIN_BYTES);
    assert_eq!(Encoding::Gzip.open(gzip(&more)), Err(Refusal::LargerThan(MAX_PLAIN_BYTES)));
    let zstd = |plain: &[u8]| Bytes::from(zstd::bulk::compress(plain, 3).unwrap());
    assert_eq!(Encoding::Zstd.open(zstd(&most)).unwrap().len(), MAX_PLAIN_BYTES);
    assert_eq!(Encoding::Zstd.open(zstd(&more)), Err(Refusal::LargerThan(MAX_PLAIN_BYTES)));
}

#[test]
fn what_does_not_decompress_is_refused() {
    let cut = gzip(b"{}").slice(..12);
    for (encoding, body) in [
        (Encoding::Gzip, cut),
        (Encoding::Gzip, "{}".into()),
        (Encoding::Zstd, "{}".into()),
        (Encoding::Zstd, gzip(b"{}")),
    ] {
        assert!(matches!(encoding.open(body), Err(Refusal::Corrupt(_))), "{encoding:?}");
    }
}

#[tokio::test]
async fn what_comes_is_charged_until_it_is_done() {
    let budget = Budget::new(2 << 20);
    let one = || Full::new(Bytes::from(vec![b'x'; MAX_BODY_BYTES]));
    let first = read(one(), &budget, MAX_BODY_BYTES).await.unwrap();
    let second = read(one(), &budget, MAX_BODY_BYTES).await.unwrap();
    assert_eq!(read(one(), &budget, MAX_BODY_BYTES).await.unwrap_err(), Refusal::Busy);
    drop((first, second));
    assert_eq!(read(one(), &budget, MAX_BODY_BYTES).await.unwrap().0.len(), MAX_BODY_BYTES);
    let large = Full::new(Bytes::from(vec![b'x'; MAX_BODY_BYTES + 1]));
    assert_eq!(read(large, &budget, MAX_BODY_BYTES).await.unwrap_err(), Refusal::TooLarge(MAX_BODY_BYTES));
    assert!(read(one(), &budget, MAX_BODY_BYTES).await.is_ok(), "nothing of the refused ones is kept");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_cut_off() {
    let budget = Budget::new(1 << 20);
    let never =
        http_body_util::StreamBody::new(futures_util::stream::pending::<Result<http_body::Frame<Bytes>, io::Error>>());
    let began = Instant::now();
    assert_eq!(read(never, &budget, MAX_BODY_BYTES).await.unwrap_err(), Refusal::TooSlow);
    assert_eq!(began.elapsed(), BODY_TIMEOUT);
}
