// The defaults of every server and client, each with its reason.
import type { ChannelOptions } from '@grpc/grpc-js';

/** Larger than any message that the contracts allow; grpc-js would refuse 4 MiB on receipt. */
export const messageBytesMax = 16 * 1024 * 1024;

const shared: ChannelOptions = {
  'grpc.max_receive_message_length': messageBytesMax,
  'grpc.max_send_message_length': messageBytesMax,
  // What a client lets come before it has read: a batch of routes is larger than the 64 KiB that HTTP/2 begins with.
  'grpc-node.flow_control_window': 4 * 1024 * 1024,
  // A peer behind a connection that was cut without a word is missed within nine seconds, calls or none: a stream would
  // wait for it for ever. Either side asks every four seconds; an answer may take five, longer than any pause of a busy
  // peer. grpc-js servers take pings as often as they come.
  'grpc.keepalive_time_ms': 4_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  // Bookkeeping that nobody reads here.
  'grpc.enable_channelz': 0,
};

export const serverOptions: ChannelOptions = { ...shared };

export const clientOptions: ChannelOptions = {
  ...shared,
  // A restarted server is found within a second; grpc-js would wait for up to two minutes.
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.dns_min_time_between_resolutions_ms': 1_000,
  // Between our own services neither a proxy of the environment nor a service config from DNS has a say.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
};

/** Calls go to the replicas in turn. Retries are ours: only methods that the contract marks, inside the deadline. */
export const replicasConfig = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] });

/** From the connection to the end of the TLS handshake: several round trips to the other end of the world. */
export const handshakeTimeoutMs = 5_000;
/** How often files of certificates are looked at: they change every few weeks, and a new one may be needed at once. */
export const tlsRereadMs = 10_000;
/** Refused connections of one kind are logged once, then counted for this long. */
export const refusalsQuietMs = 60_000;

/** For a unary call where neither the caller nor its context says otherwise. */
export const timeoutMsDefault = 5_000;

/** Retries of one call: the first try and two more meet a restart or a lost race, not an outage. */
export const retriesMax = 2;
/** Upper bound of the first wait, doubled at the second; the wait itself is anywhere below it (full jitter). */
export const retryBackoffMs = 100;

/** Calls in a row that did not reach the server before the breaker opens. */
export const breakerFailures = 5;
/** How long it stays open before one call tries again: about as long as a reconnect takes. */
export const breakerOpenMs = 500;

/** How long a drain waits for calls in flight. */
export const drainTimeoutMsDefault = 10_000;
/** How long a stop waits for handlers whose calls it has cut off. */
export const stopGraceMs = 1_000;

/** Upper bounds in seconds: a Unix socket answers in half a millisecond, a caller waits for five seconds. */
export const durationBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
