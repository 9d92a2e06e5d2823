// Every operation of a tenant that begins in isolation bridge, with every fault at every question: it ends as it may, and leaves nothing.
import { everyFault } from './every-fault.ts';

everyFault('bridge');
