// A client's form works without this. Here is what takes a script: hearing, and answers while one types.

import { begin as checkOrigins } from "./origins.js";
import { Player } from "./player.js";
import { begin as sayPhrases } from "./pronunciations.js";
import { begin as testKey } from "./test_key.js";
import { begin as keepUnsaved } from "./unsaved.js";
import { begin as chooseVoice } from "./voices.js";

const form = document.querySelector("form#settings");
const player = new Player(form.dataset.hear);
chooseVoice(form, player);
sayPhrases(form, player);
testKey(form);
checkOrigins(form);
keepUnsaved(form);
