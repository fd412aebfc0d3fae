class Other:
    def __init__(self) -> None:
        self.http_session = open("/dev/null")

    def close(self) -> None:
        self.http_session.close()
