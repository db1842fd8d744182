import { SlipwayFailure } from '../schema/failures.ts';

interface Cause {
  what: string;
  advice: string;
}

const KEYS: Cause = {
  what: 'refuses our credentials',
  advice:
    'Check the credentials of the AWS standard chain: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.',
};
const EXPIRED: Cause = {
  what: 'says that our credentials have expired',
  advice: 'Renew the credentials (AWS_SESSION_TOKEN, or the login of the profile).',
};
const DENIED: Cause = {
  what: 'refuses access',
  advice:
    'Allow these credentials s3:GetObject, s3:PutObject, s3:DeleteObject, s3:ListBucket, s3:AbortMultipartUpload and s3:ListBucketMultipartUploads there.',
};
const SKEWED: Cause = {
  what: 'says that our clock is wrong',
  advice: 'Set the clock of this host (NTP): requests are signed with the time.',
};
const ELSEWHERE: Cause = {
  what: 'is in another region or at another endpoint',
  advice: 'Set store.s3.region (and store.s3.endpoint) to where the bucket is.',
};
const FULL: Cause = { what: 'is full', advice: 'Free space or raise the quota of the bucket.' };
const SLOW: Cause = { what: 'is overloaded', advice: 'It is tried again; fewer builds at a time help.' };
const TROUBLE: Cause = {
  what: 'has trouble of its own',
  advice: 'It is tried again; see the log of the S3 server, or of the proxy before it.',
};
const AWAY: Cause = {
  what: 'cannot be reached',
  advice:
    'Check store.s3.endpoint, the network and the proxy (https_proxy, no_proxy), and that the server runs.',
};
const UNKNOWN_TLS: Cause = {
  what: 'has a certificate that is not trusted',
  advice: 'Name the authority that signed it in NODE_EXTRA_CA_CERTS.',
};
const NO_S3: Cause = {
  what: 'does not answer as S3 does',
  advice: 'Check store.s3.endpoint: it must be the S3 API of the server, not its console.',
};

/** By the code of S3's answer, or of the system's error. */
const CAUSES: Record<string, Cause> = {
  NoSuchBucket: {
    what: 'has no such bucket',
    advice: 'Create the bucket, or correct store.s3.bucket: slipway makes none.',
  },
  InvalidBucketName: { what: 'has no such bucket', advice: 'Correct store.s3.bucket.' },
  InvalidAccessKeyId: KEYS,
  // Of versitygw.
  XAdminUserNotFound: KEYS,
  SignatureDoesNotMatch: KEYS,
  InvalidToken: KEYS,
  CredentialsProviderError: {
    what: 'needs credentials, and there are none',
    advice:
      'Give them by the AWS standard chain: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the role of the machine. They do not belong into the configuration.',
  },
  ExpiredToken: EXPIRED,
  TokenRefreshRequired: EXPIRED,
  AccessDenied: DENIED,
  Forbidden: DENIED,
  AllAccessDisabled: DENIED,
  RequestTimeTooSkewed: SKEWED,
  RequestExpired: SKEWED,
  PermanentRedirect: ELSEWHERE,
  TemporaryRedirect: ELSEWHERE,
  AuthorizationHeaderMalformed: ELSEWHERE,
  IllegalLocationConstraintException: ELSEWHERE,
  QuotaExceeded: FULL,
  InsufficientStorage: FULL,
  XMinioStorageFull: FULL,
  SlowDown: SLOW,
  ServiceUnavailable: SLOW,
  NotImplemented: {
    what: 'cannot do what slipway needs',
    advice: 'Use an S3 server that knows conditional writes and multipart uploads.',
  },
  TimeoutError: {
    what: 'does not answer in time',
    advice: 'It is tried again; check the network and the load of the server.',
  },
  ECONNREFUSED: AWAY,
  ECONNRESET: AWAY,
  ENOTFOUND: AWAY,
  EAI_AGAIN: AWAY,
  ETIMEDOUT: AWAY,
  EHOSTUNREACH: AWAY,
  ENETUNREACH: AWAY,
  EPIPE: AWAY,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_TLS,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_TLS,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_TLS,
  ERR_TLS_CERT_ALTNAME_INVALID: UNKNOWN_TLS,
  CERT_HAS_EXPIRED: UNKNOWN_TLS,
};

/** An answer to HEAD has no body to say more. */
const BY_STATUS: Record<number, Cause> = {
  301: ELSEWHERE,
  403: DENIED,
  404: NO_S3,
  429: SLOW,
  500: TROUBLE,
  502: TROUBLE,
  503: SLOW,
  504: TROUBLE,
  507: FULL,
};

interface SdkError extends Error {
  code?: string;
  $metadata?: { httpStatusCode?: number };
  $response?: { statusCode?: number; headers?: Record<string, string> };
}

/** For `catch`: an error of the SDK, of S3's answer or of the connection as StoreUnavailable, any other as it is. */
export function asS3Unavailable(error: unknown, location: string): unknown {
  if (!(error instanceof Error) || error instanceof SlipwayFailure) return error;
  const failed = error as SdkError;
  const status = failed.$metadata?.httpStatusCode ?? failed.$response?.statusCode;
  const cause = causeOf(failed, status);
  if (cause === undefined && failed.$metadata === undefined && status === undefined) return error;
  const region = failed.$response?.headers?.['x-amz-bucket-region'];
  const details = [
    CAUSES[failed.code ?? ''] === undefined && failed.name !== 'Error' ? failed.name : '',
    reason(failed),
    ...(status === undefined ? [] : [`HTTP ${status}`]),
    ...(region === undefined ? [] : [`the bucket is in ${region}`]),
  ].filter((word) => word !== '');
  return new SlipwayFailure(
    'StoreUnavailable',
    `the store ${location} ${cause?.what ?? 'failed'}: ${details.join(', ')}`,
    { cause: error, ...(cause === undefined ? {} : { advice: cause.advice }) },
  );
}

function causeOf(error: SdkError, status: number | undefined): Cause | undefined {
  if (/^Region is missing/.test(error.message)) {
    return { what: 'needs a region', advice: 'Set store.s3.region, or AWS_REGION.' };
  }
  // What is no XML at all comes from something else than S3.
  if (error instanceof SyntaxError || /is not expected|Deserialization error/.test(error.message))
    return NO_S3;
  // The code first: the SDK calls a connection that was cut a time-out.
  return CAUSES[error.code ?? ''] ?? CAUSES[error.name] ?? BY_STATUS[status ?? 0];
}

/** Node packs several failed connections into one error with an empty message. */
function reason(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map((each: Error) => each.message).join(', ');
  return error.message.split('\n')[0] ?? '';
}
