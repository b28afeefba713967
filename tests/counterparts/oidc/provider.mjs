// A certified OpenID provider with its own sign-in and consent pages: whoever signs in as NAME has NAME@example.org.
// node provider.mjs PORT CALLBACK
import Provider from "oidc-provider";

const [port, callback] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "the-house",
      client_secret: "a secret: of the house's own/&",
      redirect_uris: [callback],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
    },
  ],
  pkce: { required: () => true },
  features: { revocation: { enabled: true }, devInteractions: { enabled: true } },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "preferred_username"] },
  issueRefreshToken: async (_, client) => client.grantTypeAllowed("refresh_token"),
  async findAccount(_, id) {
    return {
      accountId: id,
      claims: async () => ({
        sub: id, email: `${id}@example.org`, email_verified: true, name: `The ${id}`, preferred_username: id,
      }),
    };
  },
});

provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
