//! A server of a bucket that sends requests on to another server.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::world::{World, fetch, ran};

/// Answers each request with these bytes. Returns the address, and the number of requests so far.
fn answering(head: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let count: Arc<AtomicUsize> = Arc::default();
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut part = [0; 16 * 1024];
            drop(client.read(&mut part));
            drop(client.write_all(head.as_bytes()));
        }
    });
    (address, count)
}

#[test]
fn buckets_lead_to_no_other_server() {
    let world = World::extended().job(&fetch("markets", ""));
    world.run(&[]).exits(0);
    let none = "content-length: 0\r\nconnection: close\r\n\r\n";
    let (foreign, reached) = answering(format!("HTTP/1.1 200 OK\r\n{none}"));
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let (own, asked) = answering(format!("HTTP/1.1 {status}\r\nlocation: {foreign}/music\r\n{none}"));
        for (url, address) in [
            ("s3://music/lake", "AWS_ENDPOINT_URL"),
            ("az://music/lake", "AZURE_STORAGE_ENDPOINT"),
            ("gs://music/lake", "GOOGLE_BASE_URL"),
        ] {
            world.project.write("targets/w.toml", format!("url = \"{url}\"\n"));
            let before = asked.load(Ordering::SeqCst);
            let mut push = world.command(&["push"]);
            push.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b").env("AWS_REGION", "us-east-1");
            push.env("AZURE_STORAGE_ACCOUNT_NAME", "acc").env("AZURE_STORAGE_ACCOUNT_KEY", "AAAA");
            push.env("GOOGLE_SKIP_SIGNATURE", "true").env(address, &own);
            ran(&mut push).exits(74).says(&status[..3]).says("redirects are not followed");
            assert!(asked.load(Ordering::SeqCst) > before, "{url} {status}");
            assert_eq!(reached.load(Ordering::SeqCst), 0, "{url} {status}");
        }
    }
}
