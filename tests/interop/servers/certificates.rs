//! A CA of its own, and a certificate for loopback that it signed.

use std::path::Path;

use crate::harness::process::tool;

/// `ca.pem`, `server.key` and `server.crt`, and both of the latter as `server.pem`.
pub fn write(folder: &Path) {
    let path = |name: &str| folder.join(name).display().to_string();
    let subject = |name: &str| format!("/CN={name}");
    let openssl = |args: &[&str]| tool("openssl", args, 30).unwrap_or_else(|error| panic!("{error}"));
    let (ca, ca_key, key, request, certificate) =
        (path("ca.pem"), path("ca.key"), path("server.key"), path("server.csr"), path("server.crt"));
    let new_key = ["-newkey", "rsa:2048", "-nodes"];
    let (ca_name, server_name) = (subject("interop CA"), subject("localhost"));
    openssl(
        &[&["req", "-x509", "-days", "2", "-subj", &ca_name, "-keyout", &ca_key, "-out", &ca], &new_key[..]].concat(),
    );
    openssl(&[&["req", "-subj", &server_name, "-keyout", &key, "-out", &request], &new_key[..]].concat());
    let names = path("names");
    std::fs::write(&names, "subjectAltName=DNS:localhost,IP:127.0.0.1\n").expect("written");
    let sign = ["x509", "-req", "-days", "2", "-CAcreateserial", "-extfile", &names, "-CA", &ca, "-CAkey", &ca_key];
    openssl(&[&sign[..], &["-in", &request, "-out", &certificate]].concat());
    let read = |name: &str| std::fs::read_to_string(name).expect("a PEM file");
    std::fs::write(path("server.pem"), read(&key) + &read(&certificate)).expect("written");
}
