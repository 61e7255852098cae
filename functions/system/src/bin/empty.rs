//! What a function costs that does nothing: the bench `cold_start` measures the others by it.

use lambda_http::{Body, Error, Request, Response, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let answer = async |_: Request| Ok::<_, Error>(Response::new(Body::from("pong")));
    lambda_http::run(service_fn(answer)).await
}
