// Legal forms of companies: what a name carries for the commercial register and nobody says aloud.

/**
 * In scripts that put no space before or behind them, compatibility-normalised (NFKC), so that `㈱` and full-width
 * brackets are among them. Longer ones stand before those that end them.
 */
export const attachedForms: readonly string[] = [
  ...['株式会社', '有限会社', '合同会社', '合資会社', '合名会社', '(株)', '(有)', '(同)'],
  ...['股份有限公司', '有限责任公司', '有限責任公司', '有限公司', '股份公司'],
  ...['주식회사', '유한책임회사', '유한회사', '(주)', '(유)'],
  ...['บริษัท', '(มหาชน)', 'จำกัด'].map((form) => form.normalize('NFKC')),
];

const behind = `
  inc; incorporated; corp; corporation; co; company; llc; l l c; ltd; limited; co ltd; llp; lp; plc; pllc; pty; pty ltd; pty limited;
  pvt; pvt ltd; private limited; pte; pte ltd; bhd; sdn bhd; cic; dac;
  gmbh; ggmbh; gesmbh; mbh; ag; kg; kgaa; ohg; gbr; ug; ug haftungsbeschrankt; ek; e k; ev; e v; eg; se; sce;
  sa; s a; sarl; s a r l; sas; sasu; eurl; snc; sci; scop; sl; s l; slu; sau; scs; sa de cv; sab de cv; sapi de cv; s de rl de cv;
  srl; s r l; srls; spa; s p a; sapa; lda; ltda; sgps;
  bv; b v; nv; n v; bvba; vof; cv; oy; oyj; ky; ab; hb; as; a s; asa; aps; ehf; hf; ks; i s;
  sp z oo; sp zoo; sp j; sp k; sro; s r o; spol sro; spol s r o; kft; zrt; nyrt; bt; doo; d o o; ood; eood; ou; uab; sia;
  ooo; oao; zao; pao; ao; tov; ae; epe; ike; sti; ltd sti; anonim sirketi; limited sirketi; shmm; dhmm;
  kk; k k; gk; g k; yk; kabushiki kaisha; godo kaisha; yugen kaisha; tbk`;

const before = 'ooo; oao; zao; pao; ao; tov; pt; uab; kabushiki kaisha';

/** Behind the name, as lists of words in plain Latin letters; longer ones first. */
export const trailingForms: readonly (readonly string[])[] = formsOf(behind);

/** Before the name, likewise. */
export const leadingForms: readonly (readonly string[])[] = formsOf(before);

function formsOf(text: string): string[][] {
  return text
    .split(';')
    .map((form) => form.trim().split(' '))
    .toSorted((a, b) => b.length - a.length);
}
