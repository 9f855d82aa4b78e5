/*
 * The credit protocol of a channel (warp-transfer, flow control; src/transfer/channel/credit.ts, channel.ts): two sides that
 * send to each other over a network that holds QUEUE messages each way and then lets the writer wait. On each side a
 * reader that never waits for anything but the network, a writer, and a consumer of its own pace.
 *
 * Checked: every message arrives once and in order; what is held and under way never exceeds the window; the checks
 * by which a side recognises a peer that lies never fire against an honest one; the end is confirmed only when all has
 * arrived; no deadlock; everything ends although consumers are slow, and with STALL the direction whose consumer
 * takes nothing any more does not stop the other one.
 *
 * Bugs that the check must find: BUG_QUANTUM (grants are saved up without regard to the largest message),
 * BUG_OVERRUN (the sender trusts the network to hold it back), BUG_WAIT (the reader waits for the consumer).
 *
 * run: holds safety
 * run: holds ltl
 * run: holds ltl -DSTALL
 * run: fails safety -DBUG_QUANTUM
 * run: fails safety -DBUG_OVERRUN
 * run: fails ltl -DSTALL -DBUG_WAIT
 */
#define QUEUE 2
/* How many messages a side sends. */
#define MOST 3
#define MESSAGES(me) (MOST - (me))
/* The tightest window there is: one message of the largest size. */
#define WINDOW 8
#define MAX_COST 8
#define MIN_COST 1

#ifdef BUG_QUANTUM
#define QUANTUM (WINDOW / 4)
#else
/* max(1, min(WINDOW / 4, WINDOW - MAX_COST + 1)) */
#define QUANTUM (WINDOW - MAX_COST + 1 < WINDOW / 4 -> WINDOW - MAX_COST + 1 : WINDOW / 4)
#endif

mtype = { MESSAGE, CREDIT, END, ENDED }

/* What side i has sent: kind, number or total, cost. */
chan net[2] = [QUEUE] of { mtype, byte, byte }
/* What side i has received and its consumer has not taken: cost. */
#ifdef BUG_WAIT
chan held[2] = [1] of { byte }
#else
chan held[2] = [MOST] of { byte }
#endif

typedef Side {
  /* As sender. */
  byte granted;    /* by the peer, in all */
  byte used;
  byte sent;       /* messages */
  byte grants;     /* that came */
  byte next;       /* cost of the message that waits; 0: there is none */
  bool isEndSent;
  bool isEnded;    /* the peer has everything */
  /* As receiver. */
  byte offered;    /* granted to the peer, in all */
  byte received;   /* cost */
  byte expected;   /* number of the next message */
  byte released;   /* cost */
  byte due;        /* total that the peer is to be told; 0: none */
  bool isEndedDue;
  bool isPeerEnded;
  bool isReaderDone
}
Side side[2]

inline choose_next(me) {
  if
  :: side[me].sent == MESSAGES(me) -> side[me].next = 0
  :: side[me].sent < MESSAGES(me) -> side[me].next = MIN_COST
  :: side[me].sent < MESSAGES(me) -> side[me].next = MAX_COST
  fi
}

inline grant(me) {
  if
  :: WINDOW + side[me].released - side[me].offered >= QUANTUM && !side[me].isPeerEnded ->
    side[me].offered = WINDOW + side[me].released;
    side[me].due = side[me].offered
  :: else
  fi
}

#ifdef BUG_OVERRUN
#define AFFORDABLE(me) true
#else
#define AFFORDABLE(me) (side[me].used + side[me].next <= side[me].granted)
#endif

proctype Writer(byte me) {
  do
  :: atomic { side[me].due > 0 && nfull(net[me]) ->
      net[me]!CREDIT(side[me].due, 0);
      side[me].due = 0 }
  :: atomic { side[me].isEndedDue && nfull(net[me]) ->
      net[me]!ENDED(0, 0);
      side[me].isEndedDue = false }
  :: atomic { side[me].next > 0 && AFFORDABLE(me) && nfull(net[me]) ->
      net[me]!MESSAGE(side[me].sent, side[me].next);
      side[me].used = side[me].used + side[me].next;
      side[me].sent++;
      choose_next(me) }
  :: atomic { side[me].sent == MESSAGES(me) && !side[me].isEndSent && nfull(net[me]) ->
      net[me]!END(0, 0);
      side[me].isEndSent = true }
  :: atomic { side[me].isReaderDone && side[me].isEndSent && !side[me].isEndedDue -> break }
  od
}

proctype Reader(byte me) {
  byte value, cost;
  do
  :: side[me].isPeerEnded && side[me].isEnded -> break
  :: atomic { net[1 - me]?MESSAGE(value, cost) ->
      assert(!side[me].isPeerEnded);
      assert(value == side[me].expected);
      assert(side[me].received + cost <= side[me].offered);
      assert(side[me].received + cost - side[me].released <= WINDOW);
      side[me].received = side[me].received + cost;
      side[me].expected++;
      held[me]!cost;
      cost = 0; value = 0 }
  :: atomic { net[1 - me]?CREDIT(value, cost) ->
      assert(value > side[me].granted);
      assert(value >= MAX_COST);
      assert(side[me].grants <= side[me].sent);
      side[me].grants++;
      side[me].granted = value;
      value = 0 }
  :: atomic { net[1 - me]?END(value, cost) ->
      assert(side[me].expected == MESSAGES(1 - me));
      side[me].isPeerEnded = true;
      side[me].isEndedDue = true }
  :: atomic { net[1 - me]?ENDED(value, cost) ->
      assert(side[me].isEndSent && !side[me].isEnded);
      assert(side[1 - me].expected == MESSAGES(me));
      side[me].isEnded = true }
  od;
  side[me].isReaderDone = true
}

/* Takes one message or two before it gives them back. */
proctype Consumer(byte me) {
  byte cost, more, taken;
  do
  :: taken == MESSAGES(1 - me) -> break
#ifdef STALL
  :: me == 1 -> false /* takes nothing any more */
#endif
  :: held[me]?cost ->
    taken++;
    if
    :: atomic { held[me]?more -> taken++ }
    :: true
    fi;
    atomic {
      side[me].released = side[me].released + cost + more;
      cost = 0;
      more = 0;
      grant(me) }
  od
}

init {
  atomic {
    grant(0);
    grant(1);
    choose_next(0);
    choose_next(1);
    run Writer(0); run Reader(0); run Consumer(0);
    run Writer(1); run Reader(1); run Consumer(1)
  }
}

#define DONE(me) (side[me].isReaderDone && side[me].released == side[me].received && side[me].expected == MESSAGES(1 - me))

#ifdef STALL
/* What side 1 sends arrives, though side 1 takes nothing. */
ltl completes { <> (side[0].isPeerEnded && side[0].expected == MESSAGES(1)) }
#else
ltl completes { <> (DONE(0) && DONE(1)) }
#endif
