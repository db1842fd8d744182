import { z } from 'zod';

/**
 * An http or https URL, written out and without credentials. A pattern, so that the JSON Schema says it too: nothing
 * before the first `/`, `?` or `#` of what follows `://` may end a user name, whatever a URL parser makes of it.
 */
export const HttpUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL', abort: true })
  .regex(
    /^https?:\/\/[^/?#@\\]+([/?#]|$)/,
    'must be https://<host>/… (or http) without user name and password: they would stay in history, lock and log for all to read',
  );
