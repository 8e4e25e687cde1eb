// Seal standard input for the recipient in a file, in armour, as `age -a -R FILE` of age 1.3 does.
import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";

globalThis.crypto ??= webcrypto; // in Debian 12's Node 18 it has only this name
const { Encrypter, armor } = await import("age-encryption");

const encrypter = new Encrypter();
encrypter.addRecipient(readFileSync(process.argv[2], "utf8").trim());
process.stdout.write(armor.encode(await encrypter.encrypt(readFileSync(0))));
