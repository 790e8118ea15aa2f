'use strict';
console.log(`stored ${process.env.INPUT_PATH} as ${process.env.INPUT_KEY}`);
