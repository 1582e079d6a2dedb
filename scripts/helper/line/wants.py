"""What the controller wants of this host, done one after another, each answered with done or with why not.

A newer want of the same key replaces one that waits. Wants of an earlier session are dropped: the new one brings all.
"""

import logging
import threading

from app.wire import Done, GatewayWant, MtuWant, NamesWant, Rates, SettleWant, ShaperWant, TunnelsWant, Want
from scripts.helper.attached.host import TUNNELS, Host
from scripts.helper.line.report import Channel
from scripts.helper.net.firewall import NatError
from scripts.helper.net.netns import PlumbError
from scripts.helper.ovs.record import Key
from scripts.helper.ovs.revalidator import Revalidator
from scripts.helper.ovs.vswitch import VswitchError

# For the report that goes before a done. The controller answers it at once; that something went it answers when that is
# applied, for which it needs the done: so nothing is waited for then.
REPORTED_S = 2.0

log = logging.getLogger(__name__)


class Wants:
    """Takes wants from the channel and does them."""

    def __init__(self, host: Host, revalidator: Revalidator) -> None:
        self._host, self._revalidator = host, revalidator
        self._arrived = threading.Condition()
        self._waiting: dict[str, Want] = {}
        self._session = 0

    def start(self, channel: Channel) -> None:
        """Begin; the thread ends with the process."""
        threading.Thread(target=self._run, args=[channel], name="wants", daemon=True).start()

    def begin(self, session: int) -> None:
        """A new session: what waits is of an old one."""
        with self._arrived:
            self._session = session
            self._waiting.clear()

    def take(self, session: int, want: Want) -> None:
        """This is wanted."""
        with self._arrived:
            if session == self._session:
                self._waiting.pop(want.key, None)
                if isinstance(want.body, SettleWant):  # somebody waits for that alone, and it depends on nothing else
                    self._waiting = {want.key: want, **self._waiting}
                else:
                    self._waiting[want.key] = want
                self._arrived.notify()

    def _run(self, channel: Channel) -> None:
        while True:
            with self._arrived:
                self._arrived.wait_for(lambda: self._waiting)
                session, want = self._session, self._waiting.pop(next(iter(self._waiting)))
            channel.done(session, Done(key=want.key, generation=want.generation, error=self._why_not(channel, want)))

    def _why_not(self, channel: Channel, want: Want) -> str | None:
        try:
            self._do(channel, want.body)
        except (PlumbError, VswitchError, NatError) as error:
            log.warning("%s could not be done: %s", want.key, error)
            return str(error)
        except Exception:
            log.exception("%s could not be done", want.key)
            return "The helper of this host failed unexpectedly; its log has more."
        return None

    def _do(
        self, channel: Channel, wanted: TunnelsWant | ShaperWant | GatewayWant | NamesWant | MtuWant | SettleWant
    ) -> None:
        if isinstance(wanted, SettleWant):
            self._revalidator.settle()
            return
        if isinstance(wanted, NamesWant):
            if self._host.set_names(wanted):
                channel.mark_changes()
            return
        if isinstance(wanted, MtuWant):
            self._host.set_mtu(wanted.mtu)
            return
        if isinstance(wanted, ShaperWant):
            rates = Rates(up_kbps=wanted.up_kbps, down_kbps=wanted.down_kbps)
            self._host.shape(Key(wanted.container, wanted.interface), rates)
            return
        if isinstance(wanted, TunnelsWant):
            self._host.set_tunnels(wanted.peers)
            subject, present = TUNNELS, True
        else:
            subject, present = self._host.set_gateway(wanted), wanted.present
        channel.mark_changes()
        if present:
            channel.settled(subject, REPORTED_S)
