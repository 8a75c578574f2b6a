//! The actions of S3, whose requests name bucket and object in the path (the bucket perhaps in the host), and operations by
//! method and query (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>).

use anyhow::{Context as _, Result, bail};
use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use super::Asked;
use crate::iam::policy::Access;

/// What a request does.
pub(super) fn accesses(asked: &Asked<'_>) -> Result<Vec<Access>> {
    let path = percent_decode_str(asked.path.trim_start_matches('/')).decode_utf8().context("a path of no text")?;
    let (bucket, key) = match bucket_of_host(asked.header("host").unwrap_or_default()) {
        Some(bucket) => (bucket, &*path),
        None => path.split_once('/').unwrap_or((&path, "")),
    };
    if bucket.is_empty() {
        bail!("{} {} names no bucket", asked.method, asked.path);
    }
    let asks = |name: &str| form_urlencoded::parse(asked.query.as_bytes()).any(|(known, _)| known == name);
    let of_bucket = |action: &str| Access::new(format!("s3:{action}"), format!("arn:aws:s3:::{bucket}"));
    let of_object = |action: &str, key: &str| {
        let mut access = Access::new(format!("s3:{action}"), format!("arn:aws:s3:::{bucket}/{key}"));
        for header in ["if-match", "if-none-match"] {
            if let Some(value) = asked.header(header) {
                access.keys.insert(format!("s3:{header}"), vec![value.to_owned()]);
            }
        }
        access
    };
    if key.is_empty() {
        return Ok(match asked.method {
            "GET" if asks("list-type") || asked.query.is_empty() => {
                let mut access = of_bucket("ListBucket");
                let prefix = form_urlencoded::parse(asked.query.as_bytes()).find(|(name, _)| name == "prefix");
                let prefix = prefix.map(|(_, prefix)| prefix.into_owned()).unwrap_or_default();
                access.keys.insert("s3:prefix".to_owned(), vec![prefix]);
                vec![access]
            }
            "HEAD" => vec![of_bucket("ListBucket")],
            "GET" if asks("location") => vec![of_bucket("GetBucketLocation")],
            "POST" if asks("delete") => {
                let body = String::from_utf8_lossy(asked.body);
                let keys = body.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
                keys.map(|(key, _)| of_object("DeleteObject", key)).collect()
            }
            method => bail!("{method} {}?{} is not understood here", asked.path, asked.query),
        });
    }
    Ok(match asked.method {
        "GET" | "HEAD" if !asks("acl") && !asks("tagging") => vec![of_object("GetObject", key)],
        "PUT" if asked.header("x-amz-copy-source").is_some() => {
            let source = asked.header("x-amz-copy-source").unwrap_or_default().trim_start_matches('/');
            vec![of_object("PutObject", key), Access::new("s3:GetObject", format!("arn:aws:s3:::{source}"))]
        }
        // To replace an object on condition of what it is, one must be allowed to read it:
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        "PUT" if asked.header("if-match").is_some() => vec![of_object("PutObject", key), of_object("GetObject", key)],
        "PUT" if !asks("acl") && !asks("tagging") => vec![of_object("PutObject", key)],
        "POST" if asks("uploads") || asks("uploadId") => vec![of_object("PutObject", key)],
        "DELETE" if asks("uploadId") => vec![of_object("AbortMultipartUpload", key)],
        "DELETE" => vec![of_object("DeleteObject", key)],
        method => bail!("{method} {}?{} is not understood here", asked.path, asked.query),
    })
}

/// The bucket that a host names, as `bucket.s3.us-east-1.amazonaws.com` does.
fn bucket_of_host(host: &str) -> Option<&str> {
    let (bucket, rest) = host.split_once(".s3")?;
    (rest.starts_with('.') || rest.starts_with('-')).then_some(bucket)
}
