// An identity provider for tests, at which any login signs in. Arguments: folder of the packages, port, client, its secret,
// and the address to which it sends browsers back.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packages, port, client_id, client_secret, redirect] = process.argv.slice(2);
const found = createRequire(packages + "/").resolve("oidc-provider");
const { Provider } = await import(pathToFileURL(found));
const provider = new Provider(`http://localhost:${port}`, {
  clients: [{ client_id, client_secret, redirect_uris: [redirect] }],
  claims: { profile: ["preferred_username"] },
  cookies: { keys: ["for tests"] },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id }) }),
});
provider.listen(Number(port), "127.0.0.1");
