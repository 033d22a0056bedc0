// The HR service of staff.wsdl on a SOAP stack nobody here wrote: node's `soap`. Prints its port; GET /reset empties it.
'use strict';
const fs = require('fs');
const http = require('http');
const soap = require('soap');

let people = new Map();
let teams = new Map();
let next = 1;
let left = null;
let lost = false;

const many = (value) => (value === undefined || value === null ? [] : Array.isArray(value) ? value : [value]);
const fault = (code, detail) => {
  throw { Fault: { faultcode: `soap:Client.${code}`, faultstring: 'it went wrong', detail: detail || {} } };
};
const person = (number) => people.get(Number(number)) || fault('NoSuchPerson');
const team = (number) => teams.get(Number(number)) || fault('NoSuchTeam');
const day = (value) => (value instanceof Date ? value.toISOString().slice(0, 10) : value);
const moment = (value) => (value instanceof Date ? value.toISOString() : value);

function stored(given) {
  return {
    Login: given.Login, Note: given.Note, Grade: given.Grade, Enabled: given.Enabled,
    Hired: day(given.Hired), Seen: moment(given.Seen), Site: given.Site,
    Tags: { Tag: many(given.Tags && given.Tags.Tag) },
    Mails: { Mail: many(given.Mails && given.Mails.Mail) }, Badge: given.Badge,
  };
}
function claim(given, own) {
  if (!given.Login) fault('Empty', { EmptyFault: { field: 'Login' } });
  for (const [number, other] of people) {
    if (other.Login === given.Login && number !== own) fault('Duplicate', { DuplicateFault: { field: 'Login' } });
  }
}
const shown = (number) => ({ Number: number, ...people.get(number) });

const operations = {
  GetPerson: (a) => (person(a.Number), { Person: shown(Number(a.Number)) }),
  FindPeople: (a) => {
    let found = [...people.keys()];
    if (a.Login !== undefined && a.Login !== null) {
      found = found.filter((number) => people.get(number).Login.toLowerCase() === String(a.Login).toLowerCase());
    }
    const numbers = new Set(many(a.Number).map(Number));
    if (numbers.size) found = found.filter((number) => numbers.has(number));
    return { People: { Person: found.slice(a.Start, a.Start + a.Count).map(shown) }, Total: found.length };
  },
  CreatePerson: (a) => { claim(a.Person, null); people.set(next, stored(a.Person)); return { Number: next++ }; },
  UpdatePerson: (a) => {
    const number = Number(a.Person.Number);
    person(number);
    claim(a.Person, number);
    people.set(number, stored(a.Person));
    return {};
  },
  DeletePerson: (a) => {
    person(a.Number);
    people.delete(Number(a.Number));
    for (const one of teams.values()) one.members.delete(Number(a.Number));
    return {};
  },
  ListTeams: () => ({ Team: [...teams].map(([number, one]) => ({ Number: number, Title: one.title })) }),
  GetTeam: (a) => ({ Team: { Number: Number(a.Number), Title: team(a.Number).title } }),
  CreateTeam: (a) => { teams.set(next, { title: a.Title, members: new Set() }); return { Number: next++ }; },
  RenameTeam: (a) => { team(a.Number).title = a.Title; return {}; },
  DeleteTeam: (a) => { team(a.Number); teams.delete(Number(a.Number)); return {}; },
  ListMembers: (a) => ({ Person: [...team(a.Team).members] }),
  AddMember: (a) => {
    person(a.Person);
    if (team(a.Team).members.has(Number(a.Person))) fault('AlreadyMember');
    team(a.Team).members.add(Number(a.Person));
    return {};
  },
  RemoveMember: (a) => { if (!team(a.Team).members.delete(Number(a.Person))) fault('NoMember'); return {}; },
  TeamsOf: (a) => ({ Team: [...teams].filter(([, one]) => one.members.has(Number(a.Person))).map(([number]) => number) }),
};

const wsdl = fs.readFileSync(process.argv[2], 'utf8');
const server = http.createServer((request, response) => {
  if (request.url === '/reset') {
    people = new Map(); teams = new Map(); next = 1;
    response.end('done');
    return;
  }
  response.statusCode = 404;
  response.end();
});
server.listen(0, '127.0.0.1', () => {
  const service = { StaffService: { Staff11: operations, Staff12: operations } };
  const listening = soap.listen(server, { path: '/staff', services: service, xml: wsdl, preserveWhitespace: true });
  if (process.argv[3]) {
    listening.authenticate = (security) => Boolean(security && security.UsernameToken)
      && security.UsernameToken.Username === 'scim'
      && (security.UsernameToken.Password.$value || security.UsernameToken.Password) === process.argv[3];
  }
  process.stdout.write(`${server.address().port}\n`);
});
