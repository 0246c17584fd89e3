import packageJson from "../../package.json" with { type: "json" };

/** The service that `rtkit discover` asks for, DNS-SD (RFC 6763). */
const TYPE = "_rtkit._tcp";

/** What a board says of itself to everybody on its network: nothing that has to be kept from them. */
function facts(board: string): string[] {
  return [`board=${board}`, `version=${packageJson.version}`];
}

/** systemd.dnssd(5): where systemd-resolved does mDNS. `%H` is the host's name. */
export function resolvedAnnouncement(board: string): string {
  return [
    "# `rtkit discover` finds the board by this.",
    "[Service]",
    "Name=%H",
    `Type=${TYPE}`,
    "Port=22",
    `TxtText=${facts(board).join(" ")}`,
    "",
  ].join("\n");
}

/** avahi.service(5): where Avahi does. */
export function avahiAnnouncement(board: string): string {
  return [
    '<?xml version="1.0" standalone="no"?>',
    '<!DOCTYPE service-group SYSTEM "avahi-service.dtd">',
    "<!-- `rtkit discover` finds the board by this. -->",
    "<service-group>",
    '  <name replace-wildcards="yes">%h</name>',
    "  <service>",
    `    <type>${TYPE}</type>`,
    "    <port>22</port>",
    ...facts(board).map((fact) => `    <txt-record>${fact}</txt-record>`),
    "  </service>",
    "</service-group>",
    "",
  ].join("\n");
}
