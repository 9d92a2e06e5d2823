// The pages that people see, and the forms in them; they need no JavaScript.
import { ProblemError } from '@burgage/app-kit';
import { Hono, type MiddlewareHandler } from 'hono';
import type { Accounts, Session } from './accounts.ts';
import type { DeskContext, DeskEnv } from './env.ts';
import { type FormValues, formErrors, formValues, minorAmount } from './forms.ts';
import { contactChangesSchema, contactSchema, dealChangesSchema, dealSchema, listSchema, parsed, type Records } from './records.ts';
import { clearSessionCookie, setDeviceCookie, setSessionCookie, visitorOf } from './session-cookie.ts';
import { contacts } from './tables.ts';
import { contactPage, contactsPage } from './views/contacts.ts';
import { dashboardPage } from './views/dashboard.ts';
import { dealPage, dealsPage } from './views/deals.ts';
import { homePage, signInPage, welcomePage } from './views/public.ts';

/** Contacts that a deal's form offers; with more, the search on the contacts page finds the others. */
const offeredContactsMax = 200;

export function createPages(accounts: Accounts, records: Records): Hono<DeskEnv> {
  const pages = new Hono<DeskEnv>();
  const signedIn = (c: DeskContext, session: Session) => {
    setSessionCookie(c, session);
    setDeviceCookie(c, accounts.rememberDevice(c.get('data'), visitorOf(c).deviceToken));
  };

  pages.get('/', async (c) => (c.get('owner') ? c.redirect('/dashboard', 303) : homePage(c)));
  pages.get('/sign-in', async (c) => (c.get('owner') ? c.redirect('/dashboard', 303) : signInPage(c, {})));
  pages.post('/sign-in', async (c) => {
    const { email = '', password = '' } = await formValues(c);
    try {
      signedIn(c, await accounts.signIn(c.get('data'), { email, password }, visitorOf(c)));
    } catch (error) {
      if (error instanceof ProblemError) return signInPage(c, { email, error });
      throw error;
    }
    return c.redirect('/dashboard', 303);
  });
  pages.get('/welcome', (c) => {
    const token = c.req.query('token') ?? '';
    return welcomePage(c, { token, open: accounts.inviteIsOpen(c.get('data'), token) });
  });
  pages.post('/welcome', async (c) => {
    const { token = '', password = '' } = await formValues(c);
    try {
      signedIn(c, await accounts.acceptInvite(c.get('data'), token, password, visitorOf(c)));
    } catch (error) {
      if (error instanceof ProblemError) return welcomePage(c, { token, open: accounts.inviteIsOpen(c.get('data'), token), error });
      throw error;
    }
    return c.redirect('/dashboard', 303);
  });

  pages.use(requireSignIn);
  pages.post('/sign-out', (c) => {
    accounts.signOut(c.get('data'), c.get('sessionToken') ?? '');
    clearSessionCookie(c);
    return c.redirect('/', 303);
  });
  pages.get('/dashboard', (c) => dashboardPage(c, records));

  const contactList = (c: DeskContext, form: { values?: FormValues; error?: ProblemError } = {}) => {
    const query = parsed(listSchema, c.req.query());
    return contactsPage(c, { page: records.listContacts(c.get('data'), query), query, form });
  };
  pages.get('/contacts', (c) => contactList(c));
  pages.post('/contacts', (c) =>
    submitted(
      c,
      (values) => records.createContact(c.get('data'), parsed(contactSchema, values)) && '/contacts',
      (form) => contactList(c, form),
    ),
  );
  const oneContact = (c: DeskContext, id: string, form: { values?: FormValues; error?: ProblemError } = {}) => {
    const contact = records.contact(c.get('data'), id);
    return contactPage(c, { contact, deals: records.listDeals(c.get('data'), { limit: 100 }, { contactId: id }).rows, form });
  };
  pages.get('/contacts/:id', (c) => oneContact(c, c.req.param('id')));
  pages.post('/contacts/:id', (c) => {
    const id = c.req.param('id');
    return submitted(
      c,
      (values) => records.updateContact(c.get('data'), id, parsed(contactChangesSchema, values)) && '/contacts',
      (form) => oneContact(c, id, form),
    );
  });
  pages.post('/contacts/:id/delete', (c) => {
    records.deleteContact(c.get('data'), c.req.param('id'));
    return c.redirect('/contacts', 303);
  });

  const offered = (c: DeskContext) =>
    c
      .get('data')
      .table(contacts)
      .list({ order: { by: 'name', direction: 'ascending' }, limit: offeredContactsMax }).rows;
  const dealList = (c: DeskContext, form: { values?: FormValues; error?: ProblemError } = {}) => {
    const query = parsed(listSchema, c.req.query());
    return dealsPage(c, { page: records.listDeals(c.get('data'), query), query, contacts: offered(c), form });
  };
  pages.get('/deals', (c) => dealList(c));
  pages.post('/deals', (c) =>
    submitted(
      c,
      (values) => records.createDeal(c.get('data'), parsed(dealSchema, dealValues(values))) && '/deals',
      (form) => dealList(c, form),
    ),
  );
  const oneDeal = (c: DeskContext, id: string, form: { values?: FormValues; error?: ProblemError } = {}) =>
    dealPage(c, { deal: records.deal(c.get('data'), id), contacts: offered(c), form });
  pages.get('/deals/:id', (c) => oneDeal(c, c.req.param('id')));
  pages.post('/deals/:id', (c) => {
    const id = c.req.param('id');
    return submitted(
      c,
      (values) => records.updateDeal(c.get('data'), id, parsed(dealChangesSchema, dealValues(values))) && '/deals',
      (form) => oneDeal(c, id, form),
    );
  });
  pages.post('/deals/:id/delete', (c) => {
    records.deleteDeal(c.get('data'), c.req.param('id'));
    return c.redirect('/deals', 303);
  });

  return pages;
}

const requireSignIn: MiddlewareHandler<DeskEnv> = async (c, next) => {
  if (c.get('owner') === undefined) return c.redirect('/sign-in', 303);
  await next();
};

const dealValues = ({ amount = '', ...rest }: FormValues) => ({ ...rest, amountMinor: minorAmount(amount) });

/** Does what a form asks and goes on to the page that `work` names, or shows the form again with what was wrong. */
async function submitted(
  c: DeskContext,
  work: (values: FormValues) => string,
  again: (form: { values: FormValues; error: ProblemError }) => Response | Promise<Response>,
): Promise<Response> {
  const values = await formValues(c);
  try {
    return c.redirect(work(values), 303);
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== 'invalid_argument') throw error;
    return again({ values, error: formErrors(error) });
  }
}
