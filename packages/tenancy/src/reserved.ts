// Reserved names: the labels below the base domain that no tenant gets, each group with its reason.

const groups: readonly { readonly reason: string; readonly names: string }[] = [
  {
    reason: 'a part of the platform answers there',
    names: `api app apps admin console gateway registry provisioner health metrics billing burgage control internal platform operator
      system status`,
  },
  {
    reason: 'people would believe that the vendor speaks there',
    names: `www www1 www2 web home help support docs blog news shop contact careers legal privacy terms security abuse trust official root
      owner administrator webmaster hostmaster postmaster noreply no-reply staff`,
  },
  {
    reason: 'people type passwords and card numbers there',
    names: `auth login logout signin signout signup sign-in sign-out sign-up register sso saml oauth oauth2 oidc openid account accounts
      password session identity idp pay payment payments checkout invoice invoices secure`,
  },
  {
    reason: 'mail programs and mail servers look there by themselves',
    names: `mail mail1 mail2 email smtp smtps imap imaps pop pop3 webmail mx1 mx2 mta mta-sts relay bounce bounces autoconfig autodiscover
      dkim dmarc domainkey spf openpgpkey`,
  },
  {
    reason: 'computers look there for servers and settings, and obey the answer',
    names: 'dns dns1 dns2 ns1 ns2 ns3 ns4 nameserver ntp time whois wpad isatap proxy ldap kerberos sip stun turn xmpp',
  },
  {
    reason: 'the name means this computer',
    names: 'local localhost localdomain broadcasthost',
  },
  {
    reason: 'the operation of the platform needs it',
    names: `ftp sftp ssh vpn cdn static assets media files uploads downloads images edge backup backups archive git deploy staging dev
      development prod production sandbox preview canary cluster kubernetes k8s database mongo mongodb postgres redis nats grafana
      prometheus loki tempo tracing logs monitor monitoring alerts webhook webhooks callback graphql grpc websocket server service
      services tenant tenants`,
  },
];

const reasons: ReadonlyMap<string, string> = new Map(
  groups.flatMap(({ reason, names }) => names.split(/\s+/).map((name) => [name, reason])),
);

/** Every label that is reserved. */
export const reservedNames: ReadonlySet<string> = new Set(reasons.keys());

/** Why a label is reserved; undefined for one that is not. */
export function reservedReason(label: string): string | undefined {
  return reasons.get(label);
}
