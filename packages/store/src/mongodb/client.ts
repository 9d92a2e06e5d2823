// The driver's client, for which a name that DNS does not know is a server that is away, as every other that is.
import { MongoClient, MongoErrorLabel, MongoNetworkError } from 'mongodb';

export class Client extends MongoClient {
  override async connect(): Promise<this> {
    try {
      return await super.connect();
    } catch (error) {
      // Of a mongodb+srv address the driver hands on what the resolver says, which is no error of its own.
      if (!(error instanceof Error && 'syscall' in error)) throw error;
      const away = new MongoNetworkError(error.message, { cause: error });
      away.addErrorLabel(MongoErrorLabel.HandshakeError);
      throw away;
    }
  }
}
