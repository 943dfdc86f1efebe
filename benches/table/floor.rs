//! What nobody can be quicker than: the two requests over a connection that is kept, with a payment signed before.

use http::StatusCode;

pub struct Floor {
    client: reqwest::Client,
    /// As long as a real one; this seller looks at none.
    payment: String,
}

impl Floor {
    pub fn new() -> Floor {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Floor { client, payment: "A".repeat(1_100) }
    }

    pub async fn buy(&self, url: &str) {
        for (payment, status) in [(None, StatusCode::PAYMENT_REQUIRED), (Some(&self.payment), StatusCode::OK)] {
            let request = self.client.get(url);
            let request = match payment {
                Some(payment) => request.header("payment-signature", payment),
                None => request,
            };
            let reply = request.send().await.expect("a reply");
            assert_eq!(reply.status(), status);
            reply.bytes().await.expect("a body");
        }
    }
}
