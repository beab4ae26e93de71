//! Posting a job's row to the owner's address.
//!
//! Redirects are not followed: an address that has moved is for the owner to change.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wire::ByteString;

/// Posts JSON. Only an answer of 200 to 299 is success.
pub fn post(address: &ByteString, json: Vec<u8>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot wait for the network: {error}"))?;
    let late = || format!("no answer within {} s", DEADLINE.as_secs());
    let posted = runtime.block_on(async {
        tokio::time::timeout(DEADLINE, send(address, json, roots)).await.unwrap_or_else(|_| Err(late()))
    });
    // A name server that says nothing is not waited for.
    runtime.shutdown_background();
    posted
}

async fn send(
    address: &ByteString,
    json: Vec<u8>,
    roots: impl FnOnce() -> Result<RootCertStore, String>,
) -> Result<(), String> {
    let wrong = |why: String| format!("the address is of no use: {why}");
    let text = std::str::from_utf8(&address.0).map_err(|error| wrong(error.to_string()))?;
    let uri: Uri = text.trim().parse().map_err(|error| wrong(format!("{error}")))?;
    let authority = uri.authority().cloned().ok_or_else(|| wrong("it names no host".to_owned()))?;
    if authority.as_str().contains('@') {
        return Err(wrong("it has a name or a password before the host".to_owned()));
    }
    let is_safe = uri.scheme_str() == Some("https");
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().unwrap_or(if is_safe { 443 } else { 80 });
    let request = Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, authority.as_str())
        .header(header::USER_AGENT, concat!("queue/", env!("CARGO_PKG_VERSION")))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .body(Full::new(Bytes::from(json)))
        .map_err(|error| wrong(error.to_string()))?;
    let away = |error: std::io::Error| format!("cannot reach {authority}: {error}");
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(away)?;
    if !is_safe {
        return exchange(stream, request).await;
    }
    let name = ServerName::try_from(host).map_err(|error| wrong(error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots()?)
        .with_no_client_auth();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(away)?;
    exchange(stream, request).await
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| format!("the connection broke: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(connection);
    let status = sender.send_request(request).await.map_err(broken)?.status();
    if status.is_success() { Ok(()) } else { Err(format!("the answer is {status}")) }
}

/// Those that this host trusts.
fn roots() -> Result<RootCertStore, String> {
    let mut found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(std::mem::take(&mut found.certs));
    match (roots.is_empty(), found.errors.first()) {
        (false, _) => Ok(roots),
        (true, Some(error)) => Err(format!("the certificates that this host trusts cannot be read: {error}")),
        (true, None) => Err("this host trusts no certificates: is the package ca-certificates missing?".to_owned()),
    }
}

/// How long all of it may take.
const DEADLINE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    fn run<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(work)
    }

    /// Takes what is sent up to the end of `{}`, and answers.
    async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
        let mut request = Vec::new();
        while !request.ends_with(b"{}") {
            assert_ne!(stream.read_buf(&mut request).await.expect("it is open"), 0);
        }
        stream.write_all(answer.as_bytes()).await.expect("it is open");
        String::from_utf8(request).expect("text")
    }

    #[test]
    fn https_wants_a_certificate_that_is_trusted_for_this_name() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("ring makes keys");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("they belong together");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let trusted = || {
            let mut roots = RootCertStore::empty();
            roots.add(made.cert.der().clone()).expect("a certificate");
            Ok(roots)
        };
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
            let port = listener.local_addr().expect("bound").port();
            let address = |host: &str| ByteString::from(format!("https://{host}:{port}/a?b#c").as_str());
            let accept = async || {
                let (stream, _) = listener.accept().await.expect("somebody comes");
                acceptor.accept(stream).await
            };
            let answer = async || serve(accept().await.expect("TLS"), "HTTP/1.1 204 No Content\r\n\r\n").await;
            let asked = address("localhost");
            let (sent, request) = tokio::join!(send(&asked, b"{}".to_vec(), trusted), answer());
            assert_eq!(sent, Ok(()));
            assert!(request.starts_with("POST /a?b HTTP/1.1\r\n"), "{request}");
            assert!(request.contains(&format!("host: localhost:{port}\r\n")), "{request}");
            let asked = address("127.0.0.1");
            let (sent, _) = tokio::join!(send(&asked, b"{}".to_vec(), trusted), accept());
            assert!(sent.as_ref().is_err_and(|why| why.contains("certificate")), "{sent:?}");
            let asked = address("localhost");
            let (sent, _) = tokio::join!(send(&asked, b"{}".to_vec(), || Ok(RootCertStore::empty())), accept());
            assert!(sent.as_ref().is_err_and(|why| why.contains("certificate")), "{sent:?}");
        });
    }

    #[test]
    fn only_2xx_is_success_and_what_cannot_be_reached_says_why() {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
            let to = format!("http://{}", listener.local_addr().expect("bound"));
            for (answer, said) in [
                ("200 OK", None),
                ("301 Moved Permanently", Some("the answer is 301 Moved Permanently")),
                ("503 Service Unavailable", Some("the answer is 503 Service Unavailable")),
            ] {
                let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
                let served = async { serve(listener.accept().await.expect("somebody comes").0, &answer).await };
                let address = ByteString::from(to.as_str());
                let (sent, request) = tokio::join!(send(&address, b"{}".to_vec(), roots), served);
                assert_eq!(sent.err().as_deref(), said);
                assert!(request.starts_with("POST / HTTP/1.1\r\n"), "{request}");
            }
            drop(listener);
            for (address, why) in [
                (to.as_str(), "cannot reach 127.0.0.1:"),
                ("http://me:secret@127.0.0.1/", "a name or a password"),
                ("http://", "of no use"),
                ("http://a b/", "of no use"),
            ] {
                let sent = send(&address.into(), b"{}".to_vec(), roots).await;
                assert!(sent.as_ref().is_err_and(|said| said.contains(why)), "{address}: {sent:?}");
            }
        });
    }
}
